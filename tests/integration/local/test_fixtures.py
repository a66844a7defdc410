"""The shared fixtures themselves: a broker and a server that can be used, and restarted where they are one's own."""

import pika
import pytest
from sqlalchemy import create_engine, text

from dandang.local.provision import ServiceDatabase
from tests.support.broker import Broker, Vhost
from tests.support.postgres import Postgres


def test_vhost_takes_messages(vhost: Vhost) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(vhost.amqp_url))
    channel = connection.channel()
    channel.queue_declare("q", durable=True)
    channel.confirm_delivery()
    channel.basic_publish("", "q", b"x")
    assert channel.basic_get("q", auto_ack=True)[2] == b"x"
    connection.close()
    assert vhost.api("GET", f"queues/{vhost.name}/q").json()["type"] == "quorum"


def test_database_has_an_owner_and_a_user_of_rows(database: ServiceDatabase) -> None:
    owner, app = create_engine(database.owner_url), create_engine(database.app_url)
    with owner.begin() as connection:
        connection.execute(text("CREATE TABLE t (id bigserial PRIMARY KEY, n int)"))
    with app.begin() as connection:
        connection.execute(text("INSERT INTO t (n) VALUES (1)"))
    with app.connect() as connection, pytest.raises(Exception, match="permission denied"):
        connection.execute(text("CREATE TABLE u (id int)"))
    owner.dispose()
    app.dispose()


def test_own_servers_come_back_with_their_data(own_broker: Broker, own_postgres: Postgres) -> None:
    vhost = own_broker.make_vhost()
    with pika.BlockingConnection(pika.URLParameters(vhost.amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("q", durable=True)
        channel.confirm_delivery()
        channel.basic_publish("", "q", b"kept", pika.BasicProperties(delivery_mode=2))
    own_broker.stop()
    own_broker.start()
    with pika.BlockingConnection(pika.URLParameters(vhost.amqp_url)) as connection:
        assert connection.channel().basic_get("q", auto_ack=True)[2] == b"kept"
    made = own_postgres.make_database()
    own_postgres.kill()
    own_postgres.start()
    engine = create_engine(made.app_url)
    with engine.connect() as connection:
        assert connection.scalar(text("select 1")) == 1
    engine.dispose()
