//go:build tools

// Package tools names Pulumi's language host for Python. This is its last version inside a tagged module;
// it speaks with the much newer engine of ../pulumi.
package tools

import _ "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
