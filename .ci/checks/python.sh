# Sourced by checks that need packages of PyPI: `python_with NAME PACKAGE...` puts them into target/checks/NAME and says
# in `python` how to run it. Where they cannot be had the check is skipped, loudly, or fails if PIPEWARDEN_REQUIRE_TOOLS
# is set.

unavailable() { # WHY
    echo "SKIPPED: $1" >&2
    [ -z "${PIPEWARDEN_REQUIRE_TOOLS:-}" ] || exit 1
    exit 0
}

python_with() { # NAME PACKAGE...
    local folder=target/checks/$1 wanted
    shift
    wanted=$*
    python=$folder/bin/python
    if [ "$(cat "$folder/packages" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    rm -rf "$folder"
    if ! python3 -m venv "$folder" >/dev/null 2>&1; then
        [ "$(id -u)" = 0 ] || unavailable "python3 with venv is not installed"
        apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null || true
        rm -rf "$folder"
        python3 -m venv "$folder" || unavailable "python3 with venv cannot be installed"
    fi
    # shellcheck disable=SC2086
    "$python" -m pip install --quiet --disable-pip-version-check $wanted || unavailable "cannot install $wanted"
    echo "$wanted" >"$folder/packages"
}
