// Judges a downloaded log with Go's own code for transparency logs, which nobody here wrote: usage
//
//	strangers VKEY FOLDER < questions > answers
//
// FOLDER holds what the log publishes, by its path. Questions are JSON, one a line; for each there is one line with
// "ok" or with what is wrong.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// A question shows one thing; what it is made of depends on its kind.
type question struct {
	Kind  string
	Note  []byte
	From  []byte
	Path  string
	Bytes []byte
	Index int64
	Proof [][]byte
}

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	log := &publishedLog{folder: os.Args[2], keys: note.VerifierList(verifier)}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	answers := bufio.NewWriter(os.Stdout)
	defer answers.Flush()
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		answer := "ok"
		if err := log.judge(asked); err != nil {
			answer = "refused: " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Fprintln(answers, answer)
	}
}

func (log *publishedLog) judge(asked question) error {
	switch asked.Kind {
	case "checkpoint":
		_, err := log.openCheckpoint(asked.Note)
		return err
	case "inclusion":
		return log.judgeInclusion(asked.Note, asked.Index, asked.Bytes, asked.Proof)
	case "consistency":
		return log.judgeConsistency(asked.From, asked.Note, asked.Proof)
	case "receipt":
		return log.judgeReceipt(asked.Bytes)
	case "tile":
		return log.judgeTile(asked.Note, asked.Path, asked.Bytes)
	case "bundle":
		return log.judgeBundle(asked.Note, asked.Path, asked.Bytes)
	case "log":
		return log.judgeWhole(asked.Note)
	}
	return fmt.Errorf("no such kind: %q", asked.Kind)
}
