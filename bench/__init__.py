"""What is measured, and what it means. Knows nothing of Pulumi; `stacks` deploys what this package measures."""
