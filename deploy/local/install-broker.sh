#!/bin/sh
# Installs RabbitMQ's package on Debian or Ubuntu, without starting a broker of the system, now or at the next boot.
# The city runs a private node of its own. To be run as root; what it changes besides the packages, it puts back.
set -eu

policy=/usr/sbin/policy-rc.d # what this file forbids, the package's scripts do not start
kept=
[ -e "$policy" ] && { kept=$(mktemp "$policy.XXXXXX"); mv "$policy" "$kept"; }
put_back() {
    rm -f "$policy"
    [ -z "$kept" ] || mv "$kept" "$policy"
}
trap put_back EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -q --no-install-recommends rabbitmq-server; }
install || { apt-get update -q && install; }

# installed, but not to be started at boot
for unit in rabbitmq-server.service epmd.service epmd.socket; do
    if command -v systemctl >/dev/null; then systemctl disable --quiet "$unit" 2>/dev/null || true; fi
done
