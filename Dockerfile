# The same project folder in the official image: used by docker-compose.yaml.
FROM apache/airflow:3.3.2-python3.11
USER root
# A new volume gets the owner and the mode of the folder that it is mounted on.
RUN install --directory --owner=airflow --group=root --mode=0775 \
    /var/lib/candlewick /opt/airflow/logs
USER airflow
COPY --chown=airflow:root requirements.lock /requirements.lock
RUN pip install --no-cache-dir --require-hashes -r /requirements.lock
COPY --chown=airflow:root . /opt/airflow
ENV PYTHONPATH=/opt/airflow GX_ANALYTICS_ENABLED=False
