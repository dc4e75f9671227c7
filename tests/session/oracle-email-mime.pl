#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# What perl's Email::MIME and Email::Address::XS read in mail files: one JSON object a line.
use strict;
use warnings;
use Email::Address::XS;
use Email::MIME;
use Encode ();
use JSON::PP ();

binmode STDOUT;
sub text_of {
    my ($entity) = @_;
    my $type = $entity->content_type // 'text/plain';
    my @parts = $entity->subparts;
    if (@parts) {
        for my $part (@parts) {
            my $text = text_of($part);
            return $text if defined $text;
        }
        return undef;
    }
    return undef if $type !~ m{^\s*text/plain}i || ($entity->header('Content-Disposition') // '') =~ /^\s*attachment/i;
    my $text = eval { $entity->body_str };
    return defined $text ? $text : $entity->body;
}

for my $file (@ARGV) {
    local $/;
    open my $handle, '<:raw', $file or die "$file: $!\n";
    my $mail = <$handle>;
    my $parsed = eval { Email::MIME->new($mail) };
    my %read = (from => undef, subject => undef, text => undef);
    if ($parsed) {
        my @from = map { my $a = $_->address; utf8::decode($a) if defined $a; $a } map { Email::Address::XS->parse($_) } $parsed->header('From');
        $read{from} = \@from;
        $read{subject} = scalar $parsed->header('Subject');
        $read{text} = text_of($parsed);
    }
    print JSON::PP->new->ascii->encode(\%read), "\n";
}
