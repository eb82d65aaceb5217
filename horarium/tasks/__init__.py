"""The worker's side: which task types exist, how messages travel, how one attempt is claimed, run and finished."""
