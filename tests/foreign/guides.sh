# The guides under deploy/, run line by line; sourced by `run` while the demo's gateway is up.

# lines PAGE: the lines of the page's shell blocks.
lines() {
    awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$1"
}
# unused_port: one that nobody uses now.
unused_port() {
    "$python" -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'
}
# walk PAGE FOLDER: runs them in a folder, as a reader would.
walk() {
    lines "$1" >"$2/lines.sh"
    [ -s "$2/lines.sh" ] && (cd "$2" && bash -euxo pipefail lines.sh)
}
# operate PAGE FOLDER PORT PORT PORT: the same for what changes a machine: its folders become folders
# below FOLDER, and what only root and systemd do, done as far as the program can tell.
operate() {
    local folder=$PWD/$2
    rm -rf "$folder"
    mkdir -p "$folder/etc/systemd/system" "$folder/usr/bin" "$folder/var/lib" "$folder/root"
    cat >"$folder/lines.sh" <<SH
useradd() { :; }
chown() { :; }
install() {
    command install "\$@"
    # The unit names the machine's own folders, too.
    [[ \$* != *.service ]] || sed -i "s#=\(/usr/bin/\|/etc/tallygate\)#=$folder\1#; s#config /etc#config $folder/etc#" \
        $folder/etc/systemd/system/tallygate.service
}
started=
trap '[ -z "\$started" ] || kill "\$started"' EXIT
confined() {
    exec env CREDENTIALS_DIRECTORY=$folder/credentials \
        "$PWD/$python" "$PWD/tests/foreign/confine.py" "$folder/etc/systemd/system/tallygate.service" "\$@"
}
# The options of the guide, each of one word, and then the command.
systemd-run() {
    while [[ \$1 = --* ]]; do shift; done
    CREDENTIALS_DIRECTORY=$folder/credentials "\$@"
}
systemctl() {
    case \$1 in
    enable | start | restart) [ "\$1" != restart ] || systemctl stop
        mkdir -p $folder/credentials
        install -m 0400 $folder/etc/tallygate/passphrase $folder/credentials/tallygate-keys
        : >$folder/serve.log
        # The unit's own line.
        confined \$(sed -n 's/^ExecStart=//p' $folder/etc/systemd/system/tallygate.service) 2>$folder/serve.log &
        started=\$!
        for _ in \$(seq 150); do
            ! grep -q 'listening on' $folder/serve.log || return 0
            kill -0 "\$started" 2>/dev/null || break
            sleep 0.1
        done
        cat $folder/serve.log
        return 1 ;;
    stop) kill "\$started" && wait "\$started"
        started= ;;
    daemon-reload) ;;
    reload) kill -HUP "\$started"
        for _ in \$(seq 100); do
            ! grep -q 'files were read again' $folder/serve.log || return 0
            sleep 0.1
        done
        cat $folder/serve.log
        return 1 ;;
    *) return 1 ;;
    esac
}
mkdir -p $folder/credentials
systemd_hands_over() { install -m 0400 $folder/etc/tallygate/passphrase $folder/credentials/tallygate-keys; }
SH
    lines "$1" | sed -e "s#^as_service() {#systemd_hands_over\n&#" \
        -e "s#0\.0\.0\.0:8443#127.0.0.1:$3#; s#0\.0\.0\.0:8444#127.0.0.1:$4#; s#127\.0\.0\.1:8443#127.0.0.1:$3#" \
        -e "s#127\.0\.0\.1:9464#127.0.0.1:$5#" \
        -e "s#\(target/release/\|deploy/\)#$PWD/&#g; s#/usr/bin/tallygate#$folder&#g" \
        -e "s#/etc/\(tallygate\|systemd/system\)#$folder/etc/\1#g" \
        -e "s#/var/lib/tallygate#$folder/var/lib/tallygate#g; s#/root/#$folder/root/#g" >>"$folder/lines.sh"
    (cd "$folder" && bash -euo pipefail lines.sh)
}

pages=$tools/pages
rm -rf "$pages"
for page in partner auditor; do
    mkdir -p "$pages/$page"
    ln -s "$PWD/$demo" "$pages/$page/demo"
done
# What an auditor was handed.
"$program" keys list --format json --profile "$demo/profiles/auditor.toml" 2>/dev/null |
    "$python" -c 'import json, sys
print(next(key["public_key"] for key in json.load(sys.stdin) if key["purpose"] == "release"))' \
        >"$pages/auditor/release.jwk.json"
check "the partner's guide, followed" walk deploy/PARTNER.md "$pages/partner"
check "the auditor's guide, followed" walk deploy/AUDITOR.md "$pages/auditor"
check "the operator's guide, followed from an empty machine on" \
    operate deploy/OPERATOR.md "$tools/site" "$(unused_port)" "$(unused_port)" "$(unused_port)"
