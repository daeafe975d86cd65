# The parts of deploy/compose.yaml without containers: the same configurations, with folders and ports of
# this machine in place of the containers', on a PostgreSQL made by the same script; sourced by `deploy.sh`.

programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
if [ -z "$programs" ]; then
    apt-get install --yes --no-install-recommends postgresql
    programs=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
fi
site=$PWD/$tools/compose
rm -rf "$site"
mkdir -p "$site/secrets" "$site/certificates" "$site/state-witness/state" "$site/state-1/keys"
# PostgreSQL does not run as root, and its user need not see this folder.
cluster=$(mktemp -d)
as_postgres() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}
(
    umask 077
    for name in passphrase postgres.password gateway.password owner.password; do
        openssl rand -base64 24 >"$site/secrets/$name"
    done
    cd "$site"
    keys() { "$program_path" keys new --purpose "$1" --out "$2" "${@:3}"; }
    program_path=$OLDPWD/$program
    keys pseudonym state-1/keys --passphrase-file secrets/passphrase
    keys log state-1/keys --origin 'gateway.council.example/{year}'
    keys release state-1/keys
    keys witness state-witness --origin witness.oversight.example
    mv state-witness/witness.vkey state-1/keys/log.vkey certificates
    openssl req -x509 -newkey ed25519 -nodes -subj "/CN=authority" \
        -keyout authority.key -out certificates/authority.pem
    for name in gateway witness; do
        openssl req -newkey ed25519 -nodes -subj "/CN=$name" -addext "subjectAltName=DNS:localhost" \
            -addext "extendedKeyUsage=serverAuth" -keyout "certificates/$name.key" -out "$name.csr"
        openssl x509 -req -in "$name.csr" -CA certificates/authority.pem -CAkey authority.key \
            -copy_extensions copy -out "certificates/$name.pem"
    done
    cp -r state-1 state-2
) >"$tools/compose.log" 2>&1
cp "$site/secrets/postgres.password" "$cluster/password"
[ "$(id -u)" != 0 ] || chown -R postgres "$cluster"
as_postgres "$programs/initdb" --auth-local=scram-sha-256 --pwfile="$cluster/password" \
    --username=postgres "$cluster/data" >>"$tools/compose.log" 2>&1
as_postgres "$programs/pg_ctl" --pgdata="$cluster/data" --wait --log="$cluster/log" \
    --options="-k $cluster -c listen_addresses=''" start >>"$tools/compose.log" 2>&1
database_ends() {
    as_postgres "$programs/pg_ctl" --pgdata="$cluster/data" --mode=immediate stop >/dev/null 2>&1 || true
    rm -rf "$cluster"
}
trap database_ends EXIT
# port: one that nobody uses now.
port() {
    "$python" -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'
}
witness_port=$(port)
# there CONFIGURATION STATE: a container's configuration as it is here.
there() {
    sed -e "s#/run/postgresql#$cluster#; s#/run/secrets#$site/secrets#; s#/etc/tallygate#$site#" \
        -e "s#/var/lib/tallygate#$site/$2#; s#https://witness:7380#https://localhost:$witness_port#" \
        -e "s#0\.0\.0\.0:7380#127.0.0.1:$witness_port#; s#0\.0\.0\.0:\(844[34]\|9464\)#127.0.0.1:0#" \
        -e "s#http://collector:4317#http://127.0.0.1:4317#" "$1"
}
sed "s#/run/secrets#$site/secrets#" deploy/compose/roles.sh >"$site/roles.sh"
check "the compose file's database is made" env PGHOST="$cluster" \
    PGPASSWORD="$(cat "$site/secrets/postgres.password")" bash "$site/roles.sh"
there deploy/compose/migrate.toml state-1 >"$site/migrate.toml"
check "its tables, as their owner" "$program" migrate --config "$site/migrate.toml"
there deploy/compose/witness.toml state-witness >"$site/witness.toml"
confined() {
    exec "$python" tests/foreign/confine.py "deploy/$1.service" "$program" "${@:2}"
}
started=()
: >"$site/witness.log"
(confined tallygate-witness witness --config "$site/witness.toml") >"$site/witness.log" 2>&1 &
started+=($!)
# up NAME LOG PID
up() {
    for _ in $(seq 150); do
        ! grep -q "listening on" "$2" || break
        kill -0 "$3" 2>/dev/null || break
        sleep 0.2
    done
    check "$1" grep "listening on" "$2"
}
up "its witness serves" "$site/witness.log" "${started[0]}"
for number in 1 2; do
    there deploy/compose/gateway.toml "state-$number" >"$site/gateway-$number.toml"
    # The second has a copy of the first one's journal of erasures.
    [ "$number" = 1 ] || cp "$site"/state-1/keys/*.erasures "$site/state-2/keys/"
    : >"$site/gateway-$number.log"
    (confined tallygate serve --config "$site/gateway-$number.toml") >"$site/gateway-$number.log" 2>&1 &
    started+=($!)
    up "its gateway $number serves, on one database with the witness" "$site/gateway-$number.log" \
        "${started[number]}"
done
stop_all() {
    kill "${started[@]}"
    for each in "${started[@]}"; do wait "$each" || return 1; done
}
check "all three stop in order" stop_all
check "what they logged is sound" "$program" audit verify --config "$site/gateway-1.toml"
database_ends
trap - EXIT
