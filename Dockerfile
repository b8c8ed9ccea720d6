# One image for the head, the workers and the driver of a Ray cluster, so that all have the same versions.
#   docker build -t ganstudy .
# Ray and Python must have the same version on the driver and all nodes; `ganstudy launch` checks this and reports differences.
FROM python:3.11-slim

WORKDIR /ganstudy
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY ganstudy ganstudy
COPY study study
COPY trainables trainables
COPY analysis analysis
COPY studies studies
COPY recipes recipes
# On x86-64, torch from PyPI is built for CUDA; `docker run --gpus all` provides the GPU driver of the host.
RUN pip install --no-cache-dir -c constraints.txt ".[cluster]"
RUN useradd --create-home ganstudy && chown ganstudy /ganstudy
USER ganstudy
CMD ["ganstudy", "--help"]
