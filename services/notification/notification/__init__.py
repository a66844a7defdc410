"""Notification 通知: documents served on people, and what other departments may read."""
