# For bash scripts: a local Maven repository in which only Gatun's artifacts are new.
# shellcheck shell=bash

# Makes a folder a repository over ~/.m2/repository: links to all that is there but dev.gatun, so that nothing is
# downloaded twice, and nothing of Gatun's comes from, or gets into, the user's own. (Maven 3.8 has no option for it.)
overlay() {
  local below=${MAVEN_REPOSITORY:-$HOME/.m2/repository} folder=$1 entry
  rm -rf "$folder"
  mkdir -p "$folder/dev"
  for entry in "$below"/* "$below"/dev/*; do
    case $entry in
      "$below/dev" | "$below/dev/gatun" | *'/*') ;;
      "$below"/dev/*) ln -s "$entry" "$folder/dev/" ;;
      *) ln -s "$entry" "$folder/" ;;
    esac
  done
}
