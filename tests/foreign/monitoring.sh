# Alert rules and the dashboard, by Prometheus's own tool; sourced by `deploy.sh`. The tool is Debian's,
# unpacked here and not installed.
promtool=$PWD/$tools/prometheus/usr/bin/promtool
if [ ! -x "$promtool" ]; then
    mkdir -p "$tools/prometheus"
    (
        cd "$tools/prometheus"
        apt-get download prometheus || { apt-get update && apt-get download prometheus; }
        dpkg-deb --fsys-tarfile prometheus_*.deb | tar --extract ./usr/bin/promtool
        rm prometheus_*.deb
    )
fi
rules=deploy/prometheus
check "promtool: the alert rules" "$promtool" check rules "$rules/alerts.yml"
check "promtool: the configuration" "$promtool" check config "$rules/prometheus.yml"
check "promtool: each alert is raised by what it is for" "$promtool" test rules "$rules/alerts_test.yml"
rm -rf "$tools/rules"
cp -r "$rules" "$tools/rules"
sed -i 's/tallygate_log_tick_age_seconds > 60/tallygate_log_tick_age_seconds > 600/' "$tools/rules/alerts.yml"
refuse "promtool refuses an alert that is never raised" "got:" "$promtool" test rules "$tools/rules/alerts_test.yml"
# Each expression of the dashboard is one, as a rule.
"$python" - "$rules/dashboard.json" >"$tools/rules/dashboard.yml" <<'PY'
import json, sys
panels = json.load(open(sys.argv[1]))["panels"]
rules = [
    {"record": f"panel:{panel['id']}:{target['refId']}", "expr": target["expr"]}
    for panel in panels
    for target in panel.get("targets", [])
]
assert len(rules) > 20, len(rules)
json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, sys.stdout)
PY
check "promtool: every expression of the dashboard" "$promtool" check rules "$tools/rules/dashboard.yml"
