"""In-memory stand-ins for the ports of this library; each passes the conformance suite of the real one."""
