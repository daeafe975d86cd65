# What deploy/ has for machines, by the tools of those who read it, and what the program is built of; sourced
# by `run` before anything is served.

# systemd's own programs are Debian's.
if ! command -v systemd-analyze >/dev/null; then
    apt-cache show systemd >/dev/null 2>&1 || apt-get update
    apt-get install --yes --no-install-recommends systemd
fi
bin=$tools/venv/bin

# The units, in a root folder in which what they name is there.
units=$tools/units
rm -rf "$units"
mkdir -p "$units/etc/systemd/system" "$units/usr/bin" "$units/usr/lib/systemd"
cp -r /usr/lib/systemd/system "$units/usr/lib/systemd/"
cp deploy/*.service "$units/etc/systemd/system"
install -m 0755 /bin/true "$units/usr/bin/tallygate"
install -m 0755 /bin/true "$units/usr/bin/kill"
for user in root tallygate tallygate-witness; do
    echo "$user:x:$((${#user} * 100)):900::/:/usr/sbin/nologin"
done >"$units/etc/passwd"
for unit in tallygate tallygate-witness; do
    check "systemd-analyze verifies $unit.service" \
        systemd-analyze verify --recursive-errors=no --root="$units" "$unit.service"
    # Of 10; what is left is the network, which a server needs.
    check "its exposure is 1.5 at most" systemd-analyze security --offline=true --root="$units" \
        --threshold=15 "$unit.service"
done
sed -i 's/^ProtectSystem=.*/ProtectSystm=strict/' "$units/etc/systemd/system/tallygate.service"
refuse "systemd-analyze refuses a word it does not know" "ProtectSystm" \
    systemd-analyze verify --recursive-errors=no --root="$units" tallygate.service
check "the unit's limits let the program begin" \
    "$python" tests/foreign/confine.py deploy/tallygate.service "$program" --version
for what in "import mmap; mmap.mmap(-1, 4096, prot=7)" "import os; os.chroot('/')" \
    "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)"; do
    refuse "and refuse what it does not need: ${what##*; }" "Error: [Errno" \
        "$python" tests/foreign/confine.py deploy/tallygate.service "$python" -c "$what"
done

# The image: its recipe, what the program needs of it, and that what is copied is enough for Cargo.
check "hadolint: the Dockerfile" "$bin/hadolint" deploy/Dockerfile
sed 's/^USER .*/USER root/' deploy/Dockerfile >"$tools/Dockerfile"
refuse "hadolint refuses root" DL3002 "$bin/hadolint" "$tools/Dockerfile"
needs_no_more() {
    ! ldd "$program" | awk '{ print $1 }' | grep -vE '^(linux-vdso|libc|libm|libgcc_s|/lib.*/ld-linux.*)\.so|^/lib'
}
check "the program needs no library that the image has not" needs_no_more
context=$tools/context
rm -rf "$context"
mkdir "$context"
sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' deploy/Dockerfile | tr ' ' '\n' |
    while read -r source; do cp -r "$source" "$context"; done
check "what the image copies is a whole crate" env -C "$context" cargo metadata --locked --no-deps --format-version 1

. tests/foreign/monitoring.sh

# The containers together, by the schema of the Compose specification.
compose() {
    "$bin/check-jsonschema" --builtin-schema vendor.compose-spec "$@"
}
check "check-jsonschema: the compose file" compose deploy/compose.yaml
sed 's/read_only:/readonly:/' deploy/compose.yaml >"$tools/compose.yaml"
refuse "it refuses a wrong word" "'readonly' was unexpected" compose "$tools/compose.yaml"
. tests/foreign/compose.sh

# Every example of a configuration is what the program reads: with a word that is none it says so,
# and without it says something else, since what the file names is not there.
for example in deploy/*.example.toml deploy/compose/*.toml; do
    case $example in
    *patterns*) continue ;;
    *witness*) reads=(witness) ;;
    *) reads=(serve) ;;
    esac
    name="the program reads $example"
    mkdir -p "$tools/examples"
    copy=$tools/examples/$(basename "$example")
    cp "$example" "$copy"
    first=$("$program" "${reads[@]}" --config "$copy" 2>&1 || true)
    { echo 'no_such_word = 1'; cat "$example"; } >"$copy"
    second=$("$program" "${reads[@]}" --config "$copy" 2>&1 || true)
    printf '%s\n' "$first" "$second" >"$tools/last.log"
    if [[ $first != *"is not valid"* && $second == *"unknown field"* ]]; then
        succeed "$name"
    else
        fail "$name" "$first"
    fi
done

# What the program is built of.
check "licences, bans and sources are those of deploy/deny.toml" ours supply.py check
refuse "a second provider of cryptography is refused" "ring 0.0.0: banned" \
    ours supply.py check --plant ring=MIT=
refuse "a licence that is not on the list is refused" "GPL-3.0-only is not allowed" \
    ours supply.py check --plant planted=GPL-3.0-only=
refuse "another source is refused" "from git+https://example.org/planted" \
    ours supply.py check --plant planted=MIT=git+https://example.org/planted
check "the bill of materials is CycloneDX 1.6" ours supply.py bill "$tools/tallygate.cdx.json"
