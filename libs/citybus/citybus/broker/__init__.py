"""The broker side: the only package that imports pika."""
