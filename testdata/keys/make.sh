#!/bin/sh
# Makes the test keys and certificates in this directory. The committed files are its output; run it
# only to replace them all (every signature that depends on them changes too).
set -eu
cd "$(dirname "$0")"
prefix=TEST_KEY_DO_NOT_USE

# name, then the arguments of `openssl genpkey`
key() {
    name=$1
    shift
    openssl genpkey -quiet "$@" -out "$prefix.$name.key.pem" 2>/dev/null ||
        openssl genpkey "$@" -out "$prefix.$name.key.pem"
}

# certificate name, key name, serial, not before, not after (YYYYMMDDHHMMSSZ)
certificate() {
    name=$1 key=$2 serial=$3 from=$4 to=$5
    work=$(mktemp -d)
    : >"$work/index.txt"
    echo "$serial" >"$work/serial"
    cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = self
[self]
database = $work/index.txt
serial = $work/serial
new_certs_dir = $work
policy = any
default_md = sha256
x509_extensions = signer
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[signer]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
[req]
distinguished_name = name
[name]
CNF
    openssl req -new -config "$work/ca.cnf" -key "$prefix.$key.key.pem" \
        -subj "/O=TEST KEY DO NOT USE/CN=verity test $name" -out "$work/csr.pem"
    openssl ca -batch -notext -config "$work/ca.cnf" -selfsign -in "$work/csr.pem" \
        -keyfile "$prefix.$key.key.pem" -startdate "$from" -enddate "$to" \
        -out "$prefix.$name.cert.pem" 2>/dev/null
    rm -r "$work"
}

key rsa2048 -algorithm RSA -pkeyopt rsa_keygen_bits:2048
key rsa3072 -algorithm RSA -pkeyopt rsa_keygen_bits:3072
key rsa4096 -algorithm RSA -pkeyopt rsa_keygen_bits:4096
key other -algorithm RSA -pkeyopt rsa_keygen_bits:2048
key p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve
key p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -pkeyopt ec_param_enc:named_curve
key p521 -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -pkeyopt ec_param_enc:named_curve

certificate rsa2048 rsa2048 1001 20260101000000Z 21251231235959Z
certificate rsa3072 rsa3072 1002 20260101000000Z 21251231235959Z
certificate rsa4096 rsa4096 1003 20260101000000Z 21251231235959Z
certificate other other 1004 20260101000000Z 21251231235959Z
certificate p256 p256 1005 20260101000000Z 21251231235959Z
certificate p384 p384 1006 20260101000000Z 21251231235959Z
# The key of rsa2048 in a certificate whose time is over.
certificate expired rsa2048 1007 20200101000000Z 20210101000000Z
certificate p521 p521 1008 20260101000000Z 21251231235959Z
