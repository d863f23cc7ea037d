#!/bin/sh
# Makes tokamak_VERSION_ARCH.deb from a finished build, with dpkg-deb alone: tools/make-deb.sh BUILD [OUTPUT-FOLDER]
set -eu
build=${1:?usage: tools/make-deb.sh BUILD [OUTPUT-FOLDER]}
output=${2:-$build}
root=$(dirname "$0")/..
version=$("$build/tokamak-server" --version | sed -E 's/.* v=([^ ]+).*/\1/')
arch=$(dpkg --print-architecture)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"

for program in tokamak-server tokamak-bench tokamak-check; do
    install -D -m 755 "$build/$program" "$stage/usr/bin/$program"
    strip --strip-unneeded "$stage/usr/bin/$program"
done
install -D -m 644 "$root/packaging/systemd/tokamak.service" "$stage/lib/systemd/system/tokamak.service"
install -D -m 644 "$root/packaging/bash-completion/tokamak" "$stage/usr/share/bash-completion/completions/tokamak-server"
for program in tokamak-bench tokamak-check; do
    ln -s tokamak-server "$stage/usr/share/bash-completion/completions/$program"
done
for page in "$root"/packaging/man/*.[15]; do
    section=${page##*.}
    install -D -m 644 "$page" "$stage/usr/share/man/man$section/$(basename "$page")"
    gzip -9n "$stage/usr/share/man/man$section/$(basename "$page")"
done
install -D -m 644 "$root/LICENSE" "$stage/usr/share/doc/tokamak/copyright"
cp -r "$root"/docs/. "$stage/usr/share/doc/tokamak/"
chmod -R u=rwX,go=rX "$stage/usr/share/doc/tokamak"
# What the service needs is changed from the sample: where the data lies, and the log goes to the journal.
install -d -m 755 "$stage/etc/tokamak"
sed 's|^#dir .*|dir /var/lib/tokamak|' "$root/conf/tokamak.conf" > "$stage/etc/tokamak/tokamak.conf"
chmod 644 "$stage/etc/tokamak/tokamak.conf"

# The libraries that the programs are linked with, as packages of this system: where the linker finds them, for another
# architecture's package may have files of the same name.
triplet=$(${CC:-cc} -print-multiarch)
libraries=$(for program in "$stage"/usr/bin/*; do objdump -p "$program"; done | sed -n 's/^ *NEEDED *//p' | sort -u)
depends=$(for library in $libraries; do
    dpkg-query -S "*/$triplet/$library" 2>/dev/null | sed -n '1s/:.*//p'
done | sort -u | paste -sd, | sed 's/,/, /g')
install -d -m 755 "$stage/DEBIAN"
cat > "$stage/DEBIAN/control" <<END
Package: tokamak
Version: $version
Architecture: $arch
Maintainer: The Tokamak authors <tokamak@localhost>
Section: database
Priority: optional
Depends: $depends, adduser
Recommends: redis-tools
Installed-Size: $(du -sk "$stage" | cut -f1)
Description: in-memory data server that runs commands on every core
 A drop-in replacement for Redis: the same protocol, commands, replies and
 configuration. With a load generator and a checker of data files.
END
echo /etc/tokamak/tokamak.conf > "$stage/DEBIAN/conffiles"
install -m 755 "$root/packaging/debian/postinst" "$root/packaging/debian/prerm" "$root/packaging/debian/postrm" "$stage/DEBIAN/"
dpkg-deb --root-owner-group --build "$stage" "$output/tokamak_${version}_$arch.deb"
