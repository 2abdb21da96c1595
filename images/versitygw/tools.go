//go:build tools

// Package tools names the server that the image is built from; go.mod and go.sum pin it.
package tools

import _ "github.com/versity/versitygw/cmd/versitygw"
