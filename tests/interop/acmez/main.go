// SPDX-License-Identifier: BSD-2-Clause

// Answers a challenge mail with acmez: the task is read from standard input, the reply is written to standard output.
// acmez gets the authorization from an ACME server on loopback that serves nothing else, and computes all of the rest.
package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"strings"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

type task struct {
	Mail       string `json:"mail"`
	From       string `json:"from"`
	Identifier string `json:"identifier"`
	TokenPart2 string `json:"tokenPart2"`
	KeyFile    string `json:"keyFile"`
}

func accountKey(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: not PEM", path)
	}
	return x509.ParseECPrivateKey(block.Bytes)
}

func server(t task) *httptest.Server {
	mux := http.NewServeMux()
	here := httptest.NewServer(mux)
	answer := func(path string, value any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Replay-Nonce", "nonce")
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(value)
		})
	}
	answer("/directory", map[string]string{"newNonce": here.URL + "/nonce", "newAccount": here.URL + "/account",
		"newOrder": here.URL + "/order"})
	answer("/nonce", nil)
	answer("/authorization", map[string]any{
		"status":     "pending",
		"identifier": map[string]string{"type": "email", "value": t.Identifier},
		"challenges": []map[string]string{{"type": acme.ChallengeTypeEmailReply00, "url": here.URL + "/challenge",
			"status": "pending", "token": t.TokenPart2, "from": t.From}},
	})
	return here
}

func answer(t task) (string, error) {
	key, err := accountKey(t.KeyFile)
	if err != nil {
		return "", err
	}
	here := server(t)
	defer here.Close()
	client := &acme.Client{Directory: here.URL + "/directory", HTTPClient: here.Client()}
	account := acme.Account{PrivateKey: key, Location: here.URL + "/account/1"}
	authorization, err := client.GetAuthorization(context.Background(), account, here.URL+"/authorization")
	if err != nil {
		return "", err
	}
	message, err := mail.ReadMessage(strings.NewReader(t.Mail))
	if err != nil {
		return "", err
	}
	return acmez.MailReplyChallengeResponse(authorization.Challenges[0], message.Header.Get("Subject"),
		message.Header.Get("Message-ID"), message.Header.Get("Reply-To"))
}

func main() {
	var t task
	err := json.NewDecoder(os.Stdin).Decode(&t)
	reply := ""
	if err == nil {
		reply, err = answer(t)
	}
	if err == nil {
		_, err = os.Stdout.WriteString(reply)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
