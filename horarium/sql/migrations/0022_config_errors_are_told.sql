-- A config that becomes `error` is told of, receivers are given the time that they ask for, and messages that were
-- suppressed, of which there may be a million, are in nobody's way.

ALTER TABLE notification_notices
    DROP CONSTRAINT notification_notices_event_check,
    ADD CONSTRAINT notification_notices_event_check
        CHECK (event IN ('failed', 'timeout', 'lost', 'missed', 'config_error'));
ALTER TABLE notifications
    DROP CONSTRAINT notifications_event_check,
    ADD CONSTRAINT notifications_event_check
        CHECK (event IN ('failed', 'timeout', 'lost', 'missed', 'config_error', 'recovered'));

-- Who wanted to be told of everything goes on to be.
UPDATE notification_rules SET events = events || 'config_error'::text, version = version + 1
WHERE events @> '{failed,timeout,lost,missed,recovered}';

-- Until when the receiver has asked not to be sent anything; null or past: it has not.
ALTER TABLE notification_rules ADD COLUMN held_until timestamptz;

CREATE INDEX notifications_by_status ON notifications (status, id);
-- How many a rule has made within the hour is asked with every decision.
CREATE INDEX notifications_not_suppressed ON notifications (rule_id, created_at) WHERE status <> 'suppressed';
