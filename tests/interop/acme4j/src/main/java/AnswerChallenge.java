// SPDX-License-Identifier: BSD-2-Clause
import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.io.FileReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Properties;

import jakarta.mail.Message;
import jakarta.mail.Session;
import jakarta.mail.internet.MimeMessage;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.shredzone.acme4j.Login;
import org.shredzone.acme4j.smime.EmailIdentifier;
import org.shredzone.acme4j.smime.challenge.EmailReply00Challenge;
import org.shredzone.acme4j.smime.email.EmailProcessor;
import org.shredzone.acme4j.toolbox.JSON;
import org.shredzone.acme4j.toolbox.JSONBuilder;
import org.shredzone.acme4j.util.KeyPairUtils;

/**
 * Answers a challenge mail with acme4j-smime: the task is read from standard input, the reply is written to standard
 * output. A task with a certificate is one whose mail is signed by S/MIME, which acme4j then verifies.
 */
public class AnswerChallenge {
    private static EmailReply00Challenge challenge(JSON task) throws Exception {
        var place = URI.create("https://ca.example/challenge").toURL();
        var session = new org.shredzone.acme4j.Session("https://ca.example/directory");
        try (var file = new FileReader(task.get("keyFile").asString())) {
            var login = new Login(place, KeyPairUtils.readKeyPair(file), session);
            return new EmailReply00Challenge(login, new JSONBuilder().put("type", "email-reply-00")
                    .put("url", place).put("status", "pending").put("token", task.get("tokenPart2").asString())
                    .put("from", task.get("from").asString()).toJSON());
        }
    }

    private static EmailProcessor processor(JSON task, Message mail) throws Exception {
        if (!task.contains("certificate")) {
            return EmailProcessor.plainMessage(mail);
        }
        try (var file = new FileInputStream(task.get("certificate").asString())) {
            var root = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(file);
            return EmailProcessor.builder().certificate(root).strict().build(mail);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        var task = JSON.parse(System.in);
        var text = task.get("mail").asString().getBytes(StandardCharsets.UTF_8);
        var mail = new MimeMessage(Session.getInstance(new Properties()), new ByteArrayInputStream(text));
        var reply = processor(task, mail)
                .expectedIdentifier(EmailIdentifier.email(task.get("identifier").asString()))
                .withChallenge(challenge(task))
                .respond()
                .withHeader("Gr\u00fcezi.\r\n")
                .withFooter("\r\n-- \r\nSent by a program.\r\n")
                .generateResponse(Session.getInstance(new Properties()));
        reply.saveChanges();
        reply.writeTo(System.out);
        System.out.flush();
    }
}
