#!/bin/sh
# Makes the databases that mollyguard.toml names, beside it. Needs python3, nothing else.
set -eu
cd "$(dirname "$0")"
for name in rental rental-staging; do
    rm -f "$name.db"
    python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open("data.sql").read())' "$name.db"
done
