# Packages of a newer Debian than the installed one; for scripts that source it.
#
# They come from the Debian mirror that apt is configured with, by an apt state of its own that knows that one suite:
# nothing is installed, and what is installed is not looked at.

# Where the newest release is, whatever its name.
readonly SUITE=sid
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# newer_debian STATE: from here on apt-get and apt-cache speak of that Debian. Its state is in the folder STATE.
newer_debian() {
    local uri
    uri=$(mirror)
    configure "$uri" "$1"
    apt-get -qq update
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

# An apt that knows that one suite, and no package as installed.
configure() {
    local state=$2
    mkdir -p "$state"/{state/lists/partial,cache/archives/partial,etc/{sources.d,apt.conf.d,preferences.d,trusted.gpg.d}}
    touch "$state/status"
    cat >"$state/etc/sources.d/newer.sources" <<END
Types: deb
URIs: $1
Suites: $SUITE
Components: main
Signed-By: $KEYRING
END
    # What a mirror keeps of a day in the past is out of date, and as good for this.
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
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
END
    export APT_CONFIG=$state/apt.conf
}
