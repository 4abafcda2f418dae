#!/usr/bin/env bash
# root.sh FOLDER ARCHITECTURE SUITE PACKAGE …: unpacks packages of Debian for any processor into FOLDER. apt fetches
# them and checks their signatures, from the mirror of this machine; nothing of this machine is changed.
set -euo pipefail
root=$1 arch=$2 suite=$3
shift 3
state=$root.apt
rm -rf "$root" "$state"
mkdir -p "$root" "$state"/{lists/partial,archives/partial}
touch "$state/status"
# Single quotes: apt's own variable.
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/$')
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$state/sources.list"
options=(-qq -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
  -o "Dir::State::Lists=$state/lists" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state"
  -o "Dir::Cache::Archives=$state/archives" -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch"
  -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
(cd "$state/archives" && apt-get "${options[@]}" download "$@")
for package in "$state"/archives/*.deb; do
  dpkg-deb -x "$package" "$root"
done
# Both paths of a library lead here, or the loader would take this machine's by one of them.
if [ -d "$root/lib" ]; then
  mkdir -p "$root/usr/lib"
  cp -a "$root/lib/." "$root/usr/lib/"
  rm -rf "$root/lib"
  ln -s usr/lib "$root/lib"
fi
# So would a link to an absolute path.
find "$root" -type l -lname '/*' | while read -r link; do
  inside=$root/$(readlink "$link")
  ln -sfn "$(realpath --canonicalize-missing --no-symlinks --relative-to="$(dirname "$link")" "$inside")" "$link"
done
rm -rf "$state"
