#!/bin/sh
# Makes the databases shop and shop_staging with their roles, on the server that PGHOST, PGPORT and PGUSER name. That user
# has to be a superuser. Your own databases need no more than roles.sql.
set -eu
cd "$(dirname "$0")"
for name in shop shop_staging; do
    createdb "$name"
    psql -X -q -v ON_ERROR_STOP=1 -d "$name" -f data.sql
    psql -X -q -v name="$name" -d "$name" -f roles.sql
done
