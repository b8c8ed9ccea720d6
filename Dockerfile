# A worker of a Ray cluster, with the same versions as its driver: build it once, use it for head, workers and driver.
#   docker build -t ganstudy .
# ray and Python must be those of the driver; `ganstudy launch` compares them with every node's and says what differs.
FROM python:3.11-slim

WORKDIR /ganstudy
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY ganstudy ganstudy
COPY study study
COPY trainables trainables
COPY analysis analysis
COPY studies studies
COPY recipes recipes
# torch from PyPI is built for CUDA on x86-64; the driver of the host comes in by `docker run --gpus all`.
RUN pip install --no-cache-dir -c constraints.txt ".[cluster]"
RUN useradd --create-home ganstudy && chown ganstudy /ganstudy
USER ganstudy
CMD ["ganstudy", "--help"]
