# Packages of a newer Debian than the installed one; for scripts that source it.
#
# They come from the Debian mirror that apt is configured with, by an apt state of its own that knows one suite:
# nothing is installed, and what is installed is not looked at.

readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
# What a mirror keeps of a day in the past is out of date, and as good for this.
readonly OUT_OF_DATE='Acquire::Check-Valid-Until "false";'

# newer_debian STATE: from here on apt-get and apt-cache speak of the newest Debian, which is sid whatever the names of
# releases. Its state is in the folder STATE.
newer_debian() {
    local uri
    uri=$(mirror)
    configure "$uri" "$1" sid
    apt-get -qq update
}

# newer_root SUITE DIR PACKAGE...: these packages of a release, and what they need, unpacked into DIR; none of their scripts is run.
newer_root() {
    local uri suite=$1 dir=$2 packages
    shift 2
    packages=$(IFS=, && echo "$*")
    uri=$(mirror)
    mmdebstrap --quiet --variant=extract --keyring="$KEYRING" --aptopt="$OUT_OF_DATE" --include="$packages" "$suite" "$dir" "$uri"
}

# The mirror of the installed Debian.
mirror() {
    local uri
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
        grep -v -e -security | head -n 1)
    if [ -z "$uri" ]; then
        echo "make.sh: apt knows no Debian mirror: run apt-get update, on Debian" >&2
        return 1
    fi
    echo "$uri"
}

# configure URI STATE SUITE: an apt that knows that one suite, and no package as installed.
configure() {
    local state=$2 suite=$3
    mkdir -p "$state"/{state/lists/partial,cache/archives/partial,etc/{sources.d,apt.conf.d,preferences.d,trusted.gpg.d}}
    touch "$state/status"
    cat >"$state/etc/sources.d/newer.sources" <<END
Types: deb
URIs: $1
Suites: $suite
Components: main
Signed-By: $KEYRING
END
    cat >"$state/apt.conf" <<END
Dir "$state";
Dir::State "$state/state";
Dir::State::status "$state/status";
Dir::Cache "$state/cache";
Dir::Etc "$state/etc";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$state/etc/sources.d";
APT::Architectures { "$(dpkg --print-architecture)"; };
APT::Sandbox::User "root";
$OUT_OF_DATE
Acquire::Languages "none";
END
    export APT_CONFIG=$state/apt.conf
}
