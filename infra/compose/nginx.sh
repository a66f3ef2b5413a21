#!/bin/sh
# Fit the shared nginx configuration to this host before nginx starts.
set -eu
sed -e "s/quiz\.example\.com/${QUIZ_HOST}/g" \
    -e "s#/etc/ssl/${QUIZ_HOST}/#/etc/ssl/recovery-quiz/#g" \
    -e "s/server 127\.0\.0\.1:8000/server web:8000/" \
    /etc/recovery-quiz.conf > /etc/nginx/conf.d/default.conf
