#!/bin/sh
# MCP by hand, against `aiops demo` or `aiops serve`. Another address: examples/curl.sh http://HOST:PORT/mcp
# A server with tokens: AIOPS_TOKEN=… examples/curl.sh
set -eu
url="${1:-http://127.0.0.1:8080/mcp}"

ask() {
  curl --silent --show-error --fail-with-body "$url" \
    -H 'content-type: application/json' \
    -H 'accept: application/json, text/event-stream' \
    -H 'mcp-protocol-version: 2025-11-25' \
    ${AIOPS_TOKEN:+-H "authorization: Bearer $AIOPS_TOKEN"} \
    --data "$1"
  echo
}

ask '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}'
ask '{"jsonrpc":"2.0","id":2,"method":"tools/list"}'
ask '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"diagnose-pod","arguments":{"namespace":"shop","pod":"deployment/checkout"}}}'
