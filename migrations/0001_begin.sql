-- The first tables. Portable: the same text runs on SQLite and PostgreSQL. Moments are milliseconds since the epoch,
-- JSON is text, truth is 0 or 1. A `checksum` covers the columns before it in the order in which they stand here.

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL);

-- Numbers that grow: commits, notices.
CREATE TABLE counter (
  name TEXT PRIMARY KEY,
  value BIGINT NOT NULL);

CREATE TABLE incident (
  id TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  cluster TEXT NOT NULL,
  target TEXT NOT NULL,
  namespace TEXT NOT NULL,
  issue TEXT NOT NULL,
  severity TEXT NOT NULL,
  status TEXT NOT NULL,
  source TEXT NOT NULL,
  occurrences BIGINT NOT NULL,
  first_seen BIGINT NOT NULL,
  last_seen BIGINT NOT NULL,
  closed_at BIGINT,
  workflow_id TEXT,
  reported_target TEXT,
  body TEXT NOT NULL,
  checksum TEXT NOT NULL);
CREATE UNIQUE INDEX incident_open_fingerprint ON incident (fingerprint) WHERE closed_at IS NULL;
CREATE INDEX incident_first_seen ON incident (first_seen, id, status, severity, namespace, reported_target);
CREATE INDEX incident_closed ON incident (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE workflow (
  id TEXT PRIMARY KEY,
  incident_id TEXT NOT NULL REFERENCES incident (id),
  fingerprint TEXT NOT NULL,
  cluster TEXT NOT NULL,
  namespace TEXT NOT NULL,
  target_key TEXT NOT NULL,
  problem TEXT NOT NULL,
  asked TEXT NOT NULL,
  phase TEXT NOT NULL,
  plan TEXT,
  digest TEXT,
  dry_run BIGINT NOT NULL,
  requested_by TEXT NOT NULL,
  cancel_requested BIGINT NOT NULL,
  cursor_ord BIGINT NOT NULL,
  recoveries BIGINT NOT NULL,
  deadline BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  finished_at BIGINT,
  reason TEXT,
  rule TEXT,
  version BIGINT NOT NULL,
  checksum TEXT NOT NULL,
  wake_at BIGINT NOT NULL,
  woken BIGINT NOT NULL DEFAULT 0,
  lease_owner TEXT,
  lease_epoch BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX workflow_active_fingerprint ON workflow (fingerprint) WHERE finished_at IS NULL AND dry_run = 0;
CREATE INDEX workflow_ready ON workflow (wake_at, id) WHERE finished_at IS NULL;
CREATE INDEX workflow_incident ON workflow (incident_id);
-- Lists are filtered and counted by what stands here, without the rows, which are large.
CREATE INDEX workflow_created ON workflow (created_at, id, phase, namespace, incident_id);
CREATE INDEX workflow_finished ON workflow (finished_at, id) WHERE finished_at IS NOT NULL;

CREATE TABLE step (
  workflow_id TEXT NOT NULL REFERENCES workflow (id),
  ord BIGINT NOT NULL,
  dir TEXT NOT NULL,
  action TEXT NOT NULL,
  state TEXT NOT NULL,
  effect_key TEXT NOT NULL UNIQUE,
  pre_image TEXT,
  post_image TEXT,
  result TEXT,
  started_at BIGINT,
  finished_at BIGINT,
  checksum TEXT NOT NULL,
  PRIMARY KEY (workflow_id, ord, dir));

CREATE TABLE step_attempt (
  workflow_id TEXT NOT NULL,
  ord BIGINT NOT NULL,
  dir TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  intent TEXT NOT NULL,
  intent_at BIGINT NOT NULL,
  outcome TEXT,
  http_status BIGINT,
  observed TEXT,
  observed_at BIGINT,
  checksum TEXT NOT NULL,
  PRIMARY KEY (workflow_id, ord, dir, attempt),
  FOREIGN KEY (workflow_id, ord, dir) REFERENCES step (workflow_id, ord, dir));

CREATE TABLE checkpoint (
  workflow_id TEXT NOT NULL REFERENCES workflow (id),
  after_ord BIGINT NOT NULL,
  name TEXT NOT NULL,
  verdict TEXT NOT NULL,
  evidence TEXT,
  at BIGINT,
  checksum TEXT NOT NULL,
  PRIMARY KEY (workflow_id, after_ord, name));

CREATE TABLE approval (
  id TEXT PRIMARY KEY,
  workflow_id TEXT NOT NULL REFERENCES workflow (id),
  digest TEXT NOT NULL,
  state TEXT NOT NULL,
  requested_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  decided_by TEXT,
  decided_at BIGINT,
  channel TEXT,
  reason TEXT,
  checksum TEXT NOT NULL);
CREATE INDEX approval_workflow ON approval (workflow_id);

CREATE TABLE target_lock (
  target_key TEXT PRIMARY KEY,
  workflow_id TEXT NOT NULL REFERENCES workflow (id),
  at BIGINT NOT NULL);
CREATE INDEX target_lock_workflow ON target_lock (workflow_id);

CREATE TABLE slot (
  scope TEXT NOT NULL,
  n BIGINT NOT NULL,
  workflow_id TEXT NOT NULL REFERENCES workflow (id),
  PRIMARY KEY (scope, n),
  UNIQUE (scope, workflow_id));
CREATE INDEX slot_workflow ON slot (workflow_id);

CREATE TABLE budget (
  scope TEXT NOT NULL,
  bucket BIGINT NOT NULL,
  used BIGINT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (scope, bucket));

CREATE TABLE cooldown (
  fingerprint TEXT PRIMARY KEY,
  failures BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  window_start BIGINT NOT NULL,
  checksum TEXT NOT NULL);

CREATE TABLE idempotency (
  principal TEXT NOT NULL,
  idem_key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  workflow_id TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (principal, idem_key));
CREATE INDEX idempotency_workflow ON idempotency (workflow_id);

CREATE TABLE duty_lease (
  name TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  until BIGINT NOT NULL);

CREATE TABLE control (
  name TEXT PRIMARY KEY,
  mode TEXT NOT NULL,
  reason TEXT,
  set_by TEXT NOT NULL,
  at BIGINT NOT NULL,
  checksum TEXT NOT NULL);

CREATE TABLE notice (
  seq BIGINT PRIMARY KEY,
  kind TEXT NOT NULL,
  workflow_id TEXT,
  at BIGINT NOT NULL,
  body TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  due_at BIGINT NOT NULL);
CREATE INDEX notice_due ON notice (due_at, seq);

CREATE TABLE audit (
  chain TEXT NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  via TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  body TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (chain, seq));

CREATE TABLE audit_head (
  chain TEXT PRIMARY KEY,
  seq BIGINT NOT NULL,
  hash TEXT NOT NULL,
  anchored BIGINT NOT NULL DEFAULT 0);
CREATE INDEX audit_head_moved ON audit_head (chain) WHERE seq > anchored;
