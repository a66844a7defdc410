"""One year of Huangshi, played through public APIs and events with an injected clock."""
