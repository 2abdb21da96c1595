//go:build tools

// Package tools names the commands that `make setup` builds from this module; go.mod and go.sum pin them.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
