-- What has failed lately, among a million that have not. An error is only written when an attempt ends, which changes
-- `completed_at` or the attempt as well: claims stay HOT, which an index over `status` would end.

CREATE INDEX executions_with_errors ON executions (id) WHERE error IS NOT NULL;
