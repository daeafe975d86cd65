#!/bin/bash
# Once, when the database of deploy/compose.yaml is made: the owner of the tables, and the gateways'
# user, who owns nothing.
set -euo pipefail
psql --no-psqlrc --set ON_ERROR_STOP=1 --username postgres \
    --set owner="$(cat /run/secrets/owner.password)" \
    --set gateway="$(cat /run/secrets/gateway.password)" <<'SQL'
CREATE ROLE tallygate_owner LOGIN CREATEROLE PASSWORD :'owner';
CREATE ROLE gateway LOGIN PASSWORD :'gateway';
CREATE DATABASE tallygate OWNER tallygate_owner;
\connect tallygate
GRANT pg_checkpoint TO tallygate_owner;
GRANT EXECUTE ON FUNCTION pg_switch_wal(), pg_ls_waldir() TO tallygate_owner;
SQL
