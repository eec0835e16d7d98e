"""Train networks by recipes."""
