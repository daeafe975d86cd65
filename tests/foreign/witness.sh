# Witnesses, both ways; sourced by `run`. Another implementation's witness (PyPI aics-witness)
# cosigns our log, and our witness cosigns a log that a foreign client submits.

# listens NAME FILE PID: the process says so in its log.
listens() {
    for _ in $(seq 150); do
        ! grep -q "listening on" "$2" || break
        kill -0 "$3" 2>/dev/null || break
        sleep 0.2
    done
    check "$1" grep "listening on" "$2"
}
# free_port: one that nobody uses now.
free_port() {
    "$python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# cosigned: the published checkpoint carries both cosignatures.
cosigned() {
    for _ in $(seq 60); do
        ! { grep -q "^— foreign.example " "$demo/tiles/checkpoint" &&
            grep -q "^— ours.example " "$demo/tiles/checkpoint"; } || return 0
        sleep 0.5
    done
    cat "$demo/tiles/checkpoint"
    return 1
}

site=$tools/witness
rm -rf "$site"
mkdir -p "$site/state"
"$program" keys new --purpose witness --origin ours.example --out "$site" >/dev/null
"$program" keys new --purpose log --origin foreign-log.example/2026 --out "$site" >/dev/null
foreign_port=$(free_port)
ours_port=$(free_port)
aics() {
    local command=$1
    shift
    "$tools/venv/bin/aics-witness" "$command" --config "$site/aics.json" "$@"
}
aics init --name foreign.example --listen "127.0.0.1:$foreign_port" \
    >"$site/foreign.vkey" 2>"$site/aics.log"
aics add-log --origin "$(cut -d + -f 1 "$demo/log.vkey")" --vkey "$(cat "$demo/log.vkey")" \
    >>"$site/aics.log" 2>&1
cat >"$site/witness.toml" <<TOML
name = "ours.example"
key = "witness.pem"
state = "state"
listen = "127.0.0.1:$ours_port"
[[log]]
vkey_file = "$PWD/$demo/log.vkey"
[[log]]
vkey_file = "log.vkey"
TOML
{
    cat "$demo/gateway.toml"
    printf '[[log.witness]]\nvkey_file = "%s"\nurl = "http://127.0.0.1:%s"\noversight = %s\n' \
        "$PWD/$site/foreign.vkey" "$foreign_port" true \
        "$PWD/$site/witness.vkey" "$ours_port" false
} >"$demo/witnessed.toml"
cp "$demo/gateway.db" "$site/before.db"

# Not through the function: the process to end would be the shell around it.
"$tools/venv/bin/aics-witness" serve --config "$site/aics.json" >"$site/aics-serve.log" 2>&1 &
foreign_witness=$!
"$program" witness --config "$site/witness.toml" >"$site/serve.log" 2>&1 &
our_witness=$!
trap 'kill "$foreign_witness" "$our_witness" 2>/dev/null || true' EXIT
listens "our witness listens" "$site/serve.log" "$our_witness"
# The gateway does not begin without an answer of each.
for _ in $(seq 150); do
    ! "$python" -c "import socket; socket.create_connection(('127.0.0.1', $foreign_port), 1)" \
        2>/dev/null || break
    sleep 0.2
done
"$program" serve --config "$demo/witnessed.toml" >"$tools/serve.log" 2>&1 &
gateway=$!
trap 'kill "$foreign_witness" "$our_witness" "$gateway" 2>/dev/null || true' EXIT
listens "the gateway serves with two witnesses" "$tools/serve.log" "$gateway"
check "grpcio reads a card meanwhile" ours card.py "$manager" CC01 "$receipts/witnessed.json"
check "both witnesses cosign what has grown" cosigned
check "the gateway stops in order, cosigned to its end" stop
check "aics-tlog counts both cosignatures" tlog verify-checkpoint --tiles "$demo/tiles" \
    --witness-key "$(cat "$site/foreign.vkey")" --witness-key "$(cat "$site/witness.vkey")" \
    --quorum 2 --max-age 300
check "our verifier names both" says "cosigned by foreign.example" "$program" audit verify \
    "$demo/tiles" --vkey-file "$demo/log.vkey" --witness-vkey-file "$site/foreign.vkey" \
    --witness-vkey-file "$site/witness.vkey"
check "aics-witness has seen the whole log" \
    says "size    $(sed -n 2p "$demo/tiles/checkpoint")" aics status
# A copy of the database from before, in a folder of its own.
sed -e "s|^sqlite = .*|sqlite = \"$PWD/$site/before.db\"|" \
    -e "s|^tiles = .*|tiles = \"$PWD/$site/tiles\"|" "$demo/witnessed.toml" >"$demo/before.toml"
refuse "the gateway does not serve from behind a foreign witness" \
    "the witness foreign.example has seen" "$program" serve --config "$demo/before.toml"

for case in grows garbage forged unknown-log rolled-back forked false-proof; do
    check "a foreign client's log and our witness: $case" \
        ours witness.py "http://127.0.0.1:$ours_port" "$site" "$case"
done
kill "$foreign_witness" "$our_witness"
wait "$foreign_witness" "$our_witness" 2>/dev/null || true
trap - EXIT
check "what our witness keeps is a checkpoint that aics-tlog verifies" \
    "$tools/venv/bin/aics-tlog" verify-checkpoint --vkey-file "$site/log.vkey" --note \
    "$site/state/$(printf foreign-log.example/2026 | sha256sum | cut -d ' ' -f 1)" \
    --witness-key "$(cat "$site/witness.vkey")" --quorum 1
