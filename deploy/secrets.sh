#!/bin/sh
# Makes the secrets that are not there yet, in ./secrets. Nobody else may enter that folder; the files in it can be read
# by any user, since each container has a user of its own and is given only the files that it needs.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets

new() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { # NAME CONTENT: an existing secret stays
    if [ ! -e "secrets/$1" ]; then
        printf '%s' "$2" > "secrets/.$1"
        chmod 444 "secrets/.$1"
        mv "secrets/.$1" "secrets/$1"
        echo "made secrets/$1"
    fi
}

keep veilcast_token "$(new)"
keep postgres_password "$(new)"
keep redis_password "$(new)"
keep s3_access_key "$(new)"
keep s3_secret_key "$(new)"
keep grafana_password "$(new)"
keep flower_login "operator:$(new)"
keep database "postgresql://veilcast:$(cat secrets/postgres_password)@postgres:5432/veilcast"
keep broker "redis://:$(cat secrets/redis_password)@redis:6379/0"
