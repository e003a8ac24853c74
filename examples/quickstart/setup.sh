#!/bin/sh
# Makes the databases and the folder that mollyguard.toml names, beside it. Needs python3, nothing else.
set -eu
cd "$(dirname "$0")"
for name in rental rental-staging; do
    rm -f "$name.db"
    python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open("data.sql").read())' "$name.db"
done
mkdir -p uploads/backups
echo "lease of a RAV4" > uploads/contract.txt
echo "dump of 2026-04-23" > uploads/backups/2026-04-23.dump
