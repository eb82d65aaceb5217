-- Adds a batch to the stream of events, once, however often it is sent. A stream that is new begins with a marker, so
-- that whoever waited at the end of the one before (Redis was flushed) learns that it is another.
--
-- KEYS[1]  events                   the stream
-- KEYS[2]  events:batch:{writer}    the last batch of this writer
-- ARGV[1]  number of the batch
-- ARGV[2]  how long that is remembered, seconds
-- ARGV[3]  about how many entries are kept
-- ARGV[4]  field of the marker
-- ARGV[5]  value of the marker
-- ARGV     then field and value of each entry, oldest first
--
-- Returns how many entries were added, the marker left out.
if redis.call('GET', KEYS[2]) == ARGV[1] then
  return 0
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('XADD', KEYS[1], '*', ARGV[4], ARGV[5])
end
for at = 6, #ARGV, 2 do
  redis.call('XADD', KEYS[1], '*', ARGV[at], ARGV[at + 1])
end
redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[3])
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
return (#ARGV - 5) / 2
