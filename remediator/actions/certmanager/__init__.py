"""Actions through cert-manager."""
