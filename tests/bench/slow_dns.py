#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A DNS server whose every answer, "no such name", comes late.

slow_dns.py ADDRESS DELAY-MS
"""
import heapq
import select
import socket
import sys
import time

HEADER = 12
RESPONSE_NXDOMAIN = b"\x81\x83"


def question_end(packet):
    at = HEADER
    while packet[at]:
        at += 1 + packet[at]
    return at + 5


def serve(address, delay):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    due = []
    while True:
        left = max(0, due[0][0] - time.monotonic()) if due else None
        if select.select([server], [], [], left)[0]:
            packet, peer = server.recvfrom(4096)
            answer = packet[:2] + RESPONSE_NXDOMAIN + b"\0\1" + b"\0" * 6 + packet[HEADER:question_end(packet)]
            heapq.heappush(due, (time.monotonic() + delay, answer, peer))
        while due and due[0][0] <= time.monotonic():
            _, answer, peer = heapq.heappop(due)
            server.sendto(answer, peer)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]) / 1000)
