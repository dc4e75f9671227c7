// SPDX-License-Identifier: BSD-2-Clause
// Answers a challenge mail with nodemailer: the task is read from standard input, the reply is written to standard
// output. nodemailer knows nothing of ACME; the digest is made here, from the texts of both halves of the token.
'use strict';
const crypto = require('crypto');
const nodemailer = require('nodemailer');

const task = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const field = name => (task.mail.split('\r\n\r\n')[0].match(new RegExp('^' + name + ': (.*)$', 'mi')) || [])[1];
const sha256 = text => crypto.createHash('sha256').update(text).digest('base64url');

const jwk = crypto.createPublicKey(require('fs').readFileSync(task.keyFile)).export({format: 'jwk'});
const thumbprint = sha256(JSON.stringify({crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y}));
const token = field('Subject').replace(/^ACME: /, '') + task.tokenPart2;
const block = '-----BEGIN ACME RESPONSE-----\n' + sha256(token + '.' + thumbprint) + '\n-----END ACME RESPONSE-----\n';

const transport = nodemailer.createTransport({streamTransport: true, buffer: true, newline: 'windows'});
transport.sendMail({
  from: task.identifier,
  to: field('Reply-To') || field('From'),
  subject: 'Re: ' + field('Subject'),
  inReplyTo: field('Message-ID'),
  references: field('Message-ID'),
  // A letter that is not ASCII makes it quoted-printable, with a soft line break in the digest or near it.
  text: task.variant === 'encoded' ? 'Gr\u00fc\u00dfe\n\n' + block : block,
}, (error, info) => {
  if (error) throw error;
  process.stdout.write(info.message);
});
