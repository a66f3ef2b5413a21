#!/usr/bin/env bash
# Words that must stand in no tracked file: addresses of package registries, paths of one machine.
set -u
hosts='pypi\.or[g]|pythonhoste[d]|registry\.npmj[s]|deb\.debia[n]\.org|/hom[e]/[a-z]+/|/roo[t]/'
if git grep -nIE "$hosts" -- . ':!LICENSE'; then
  echo "These lines name a package registry or a path of one machine."
  exit 1
fi
echo "No registry and no machine path is named."
