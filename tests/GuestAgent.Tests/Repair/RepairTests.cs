using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.GuestAgent.Repair;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests.Repair;

/// <summary>What a copy of a guest does before it is ready.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class RepairTests : IDisposable
{
    private readonly RepairRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void A_clone_gets_an_identity_of_its_own()
    {
        var result = _rig.Run(RepairRig.Cloned(identity: RepairRig.Whole()));

        Assert.Equal("", result.Failure);
        Assert.Equal(["random", "clock", "generation", "machine-id", "host-name", "ssh-host-keys", "addresses", "dhcp", "seeds", "cloud-init"], result.Steps.Select(static s => s.Name));
        Assert.All(result.Steps.Where(static s => s.Name is not ("clock" or "dhcp")), static s => Assert.Equal((s.Name, StepOutcome.Done, ""), (s.Name, s.Outcome, s.Reason)));
        Assert.Equal("abababababababababababababababab\n", _rig.Read("etc/machine-id"));
        Assert.Equal("abababababababababababababababab\n", _rig.Read("var/lib/dbus/machine-id"));
        Assert.Equal("clone.example.net\n", _rig.Read("etc/hostname"));
        Assert.Equal("127.0.0.1 localhost # original\n127.0.1.1\tclone.example.net clone\n::1 localhost\n", _rig.Read("etc/hosts"));
        Assert.Equal("clone.example.net", _rig.Guest.HostName);
        Assert.Equal("525400000002", _rig.Guest.Addresses[2]);
        Assert.NotEqual(new string('s', 512), _rig.Read("var/lib/systemd/random-seed"));
        Assert.Equal(512, new FileInfo(_rig.At("var/lib/systemd/random-seed")).Length);
        Assert.False(Path.Exists(_rig.At("var/lib/cloud/instance")));
        Assert.Equal("instance-id: 'i-clone''s'\nlocal-hostname: original\n", _rig.Read("var/lib/cloud/seed/nocloud/meta-data"));
        // cloud-init compares with it at the next boot.
        Assert.Equal("i-original\n", _rig.Read("var/lib/cloud/data/instance-id"));
    }

    [Fact]
    public void A_restored_guest_stays_who_it_is_and_is_another_run()
    {
        string[] kept = ["etc/machine-id", "etc/hostname", "etc/hosts", "etc/ssh/ssh_host_rsa_key", "var/lib/cloud/seed/nocloud/meta-data"];
        var before = kept.Select(_rig.Read).ToArray();

        var repair = _rig.Agent();
        var result = RepairRig.Run(repair, RepairRig.Restored());

        Assert.Equal("", result.Failure);
        Assert.Equal(["random", "clock", "generation", "seeds"], result.Steps.Select(static s => s.Name));
        Assert.Equal(before, kept.Select(_rig.Read));
        Assert.Equal(RepairRig.First, repair.Generation);
        using var watch = new GenerationWatch(_rig.Page.Path);
        Assert.Equal(RepairRig.First, watch.Wait(null, TimeSpan.Zero)!.Generation);
    }

    [Theory]
    [InlineData("entropy", "random: the kernel takes no entropy")]
    [InlineData("reseed", "random: the kernel does not reseed")]
    public void Random_numbers_count_as_new_only_if_both_requests_went_through(string call, string failure)
    {
        _rig.Guest.Errors[call] = Errno.EPERM;

        var result = _rig.Run(RepairRig.Restored());

        Assert.StartsWith(failure, result.Failure, StringComparison.Ordinal);
        Assert.Contains("(errno 1)", result.Failure, StringComparison.Ordinal);
        Assert.Equal((StepOutcome.Failed, true), (result.Steps[0].Outcome, result.Steps[0].Mandatory));
        // The other steps that must be done are done all the same.
        Assert.Equal(StepOutcome.Done, result.Steps.Single(static s => s.Name == "generation").Outcome);
    }

    [Fact]
    public void The_hosts_entropy_is_counted_mixed_with_more_and_wiped()
    {
        var request = RepairRig.Cloned();

        _ = _rig.Run(request);

        Assert.Equal("entropy 384", _rig.Guest.Calls[0]);
        Assert.Equal("reseed", _rig.Guest.Calls[1]);
        Assert.Equal(Enumerable.Repeat((byte)0x5a, 48), _rig.Guest.Mixed[..48]);
        Assert.True(_rig.Guest.Mixed[48..].Distinct().Count() > 8);
        Assert.All(request.Entropy.ToByteArray(), static b => Assert.Equal(0, b));
        foreach (var file in Directory.EnumerateFiles(Path.GetDirectoryName(_rig.NotesFile)!).Append(_rig.Page.Path).Concat(Directory.EnumerateFiles(_rig.Guest.Root, "*", SearchOption.AllDirectories)))
        {
            Assert.True(File.ReadAllBytes(file).AsSpan().IndexOf("ZZZZ"u8) < 0 && !File.ReadAllText(file).Contains("5a5a5a", StringComparison.OrdinalIgnoreCase), file);
        }

        Assert.DoesNotContain(_rig.Lines, static line => line.Contains("5a5a5a", StringComparison.OrdinalIgnoreCase));
        // What was wiped is not taken for entropy.
        Assert.StartsWith("random: the host gave no entropy", _rig.Run(request).Failure, StringComparison.Ordinal);
    }

    [Fact]
    public void The_clock_is_set_to_the_hosts_time_and_left_alone_if_it_is_right()
    {
        var now = (_rig.Guest.Now - DateTimeOffset.UnixEpoch).Ticks * 100;
        var off = RepairRig.Restored();
        off.UnixNs = now + 3_600_000_000_000;
        var right = RepairRig.Restored(RepairRig.Second);
        right.UnixNs = now - 200_000_000;
        _rig.Guest.Now = _rig.Guest.Now.AddMilliseconds(-200);

        Assert.Equal(StepOutcome.Done, _rig.Run(off).Steps[1].Outcome);
        Assert.Single(_rig.Guest.Calls, "clock");
        var step = _rig.Run(RepairRig.Restored(RepairRig.Second)).Steps[1];

        Assert.Equal((StepOutcome.Skipped, "the host gave no time"), (step.Outcome, step.Reason));
        _rig.Guest.Errors["clock"] = Errno.EPERM;
        var refused = _rig.Run(off.Clone());
        Assert.StartsWith("random", refused.Failure, StringComparison.Ordinal);
        Assert.Equal((StepOutcome.Failed, false), (refused.Steps[1].Outcome, refused.Steps[1].Mandatory));
    }

    [Fact]
    public void A_machine_id_that_the_host_leaves_to_the_guest_is_derived_from_the_generation()
    {
        _ = _rig.Run(RepairRig.Cloned());
        var first = _rig.Read("etc/machine-id");
        _ = _rig.Run(RepairRig.Cloned());
        Assert.Equal(first, _rig.Read("etc/machine-id"));
        _ = _rig.Run(RepairRig.Cloned(RepairRig.Second));

        Assert.NotEqual(first, _rig.Read("etc/machine-id"));
        Assert.Matches("^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\n$", first);
    }

    [Fact]
    public void A_machine_id_that_cannot_be_written_leaves_the_clone_unrepaired()
    {
        File.Delete(_rig.At("etc/machine-id"));
        Directory.CreateDirectory(_rig.At("elsewhere"));
        // The link leads nowhere that can be written.
        File.CreateSymbolicLink(_rig.At("etc/machine-id"), "/proc/version");

        var result = _rig.Run(RepairRig.Cloned());

        Assert.StartsWith("machine-id: ", result.Failure, StringComparison.Ordinal);
        Assert.Equal(StepOutcome.Done, result.Steps.Single(static s => s.Name == "ssh-host-keys").Outcome);
    }

    [Fact]
    public void Host_keys_are_all_made_before_the_first_is_replaced()
    {
        _rig.Guest.Errors["ssh-keygen"] = 1;

        var failed = _rig.Run(RepairRig.Cloned());

        Assert.Equal(@"ssh-host-keys: ssh-keygen ended with 1: it went\u000awrong", failed.Failure);
        Assert.Equal("private old rsa", _rig.Read("etc/ssh/ssh_host_rsa_key"));
        Assert.False(Path.Exists(_rig.At("etc/ssh/.channel-agent")));
        _rig.Guest.Errors.Clear();
        Assert.Equal("", _rig.Run(RepairRig.Cloned()).Failure);
        Assert.StartsWith("private ", _rig.Read("etc/ssh/ssh_host_rsa_key"), StringComparison.Ordinal);
        Assert.DoesNotContain("old", _rig.Read("etc/ssh/ssh_host_rsa_key") + _rig.Read("etc/ssh/ssh_host_ed25519_key.pub"), StringComparison.Ordinal);
        Assert.False(Path.Exists(_rig.At("etc/ssh/ssh_host_ecdsa_key")));
        Assert.Equal("signal 77 1", _rig.Guest.Calls[^1]);
    }

    [Fact]
    public void A_process_that_has_the_number_of_a_former_sshd_gets_no_signal()
    {
        _rig.Write("proc/77/comm", "postgres\n");

        var step = _rig.Run(RepairRig.Cloned()).Steps.Single(static s => s.Name == "ssh-host-keys");

        Assert.Equal((StepOutcome.Done, "no sshd runs that would have to read them"), (step.Outcome, step.Reason));
        Assert.DoesNotContain("signal 77 1", _rig.Guest.Calls);
    }

    [Fact]
    public void An_interface_that_is_not_there_fails_the_repair_and_one_that_was_changed_before_does_not()
    {
        Assert.Equal("", _rig.Run(RepairRig.Cloned(identity: RepairRig.Whole())).Failure);
        Assert.Equal("", _rig.Run(RepairRig.Cloned(identity: RepairRig.Whole())).Failure);
        _rig.Guest.Addresses.Clear();

        Assert.Equal("addresses: no interface has 52:54:00:00:00:01", _rig.Run(RepairRig.Cloned(identity: RepairRig.Whole())).Failure);
    }

    [Fact]
    public void Hooks_run_last_with_origin_and_generation_and_only_a_required_one_fails_the_repair()
    {
        _rig.Hook("10-first", "echo \"$@\" > ../said; cat ../etc/machine-id >> ../said");
        _rig.Hook("20-bad", "echo broken; exit 3");
        var result = _rig.Run(RepairRig.Cloned(identity: RepairRig.Whole()));

        Assert.Equal("", result.Failure);
        Assert.Equal("cloned 0102030405060708090a0b0c0d0e0f10\nabababababababababababababababab\n", _rig.Read("said"));
        Assert.Equal(("hook 20-bad", StepOutcome.Failed, false, "it ended with 3: broken"), (result.Steps[^1].Name, result.Steps[^1].Outcome, result.Steps[^1].Mandatory, result.Steps[^1].Reason));
        _rig.Hook("30-certificates.required", "exit 1");
        Assert.StartsWith("hook 30-certificates.required: it ended with 1", _rig.Run(RepairRig.Cloned()).Failure, StringComparison.Ordinal);
    }

    [Fact]
    public void A_repair_that_is_stopped_is_a_failed_one()
    {
        _rig.Hook("10-first", "echo ran > ../said");

        var result = _rig.Agent().Run(RepairRig.Restored(), () => File.Exists(_rig.Page.Path), static () => true);

        Assert.Equal("the repair was stopped", result.Failure);
        Assert.Equal("the repair was stopped before it", result.Steps[^1].Reason);
        Assert.False(File.Exists(_rig.At("said")));
    }

    [Fact]
    public void A_successor_knows_the_last_result_and_the_generations_that_were_left()
    {
        _rig.Hook("10-says", "printf 'a\\tb\\nc'; exit 1");
        _ = _rig.Run(RepairRig.Restored());
        var second = _rig.Run(RepairRig.Restored(RepairRig.Second));

        var successor = _rig.Agent();

        Assert.False(successor.IsUnfinished);
        Assert.True(successor.HasLeft(RepairRig.First));
        Assert.False(successor.HasLeft(RepairRig.Second));
        Assert.Equal(RepairRig.Second, successor.Generation);
        Assert.Equal(second.Steps, successor.Last!.Steps);
        Assert.Equal(second.Generation, successor.Last.Generation);
        Assert.True(successor.Last.IsGated);
    }

    [Fact]
    public void Of_the_generations_that_were_left_the_last_64_are_remembered()
    {
        var notes = new RepairNotes(_rig.NotesFile);
        for (var i = 0; i <= RepairNotes.MaxLeft + 1; i++)
        {
            notes.Enter([.. new byte[15], (byte)i]);
        }

        var successor = new RepairNotes(_rig.NotesFile);
        Assert.False(successor.HasLeft([.. new byte[15], 0]));
        Assert.True(successor.HasLeft([.. new byte[15], 1]));
        Assert.False(successor.HasLeft([.. new byte[15], RepairNotes.MaxLeft + 1]));
    }

    [Fact]
    public void A_note_that_was_cut_at_any_byte_has_no_result_in_part_and_the_next_repair_is_noted_whole()
    {
        var first = _rig.Run(RepairRig.Restored());
        var whole = File.ReadAllBytes(_rig.NotesFile);
        for (var length = 0; length <= whole.Length; length++)
        {
            File.WriteAllBytes(_rig.NotesFile, whole[..length]);
            var notes = new RepairNotes(_rig.NotesFile);
            Assert.Equal(length == whole.Length ? first.Steps : [], notes.Last?.Steps ?? []);
            notes.Begin(RepairRig.Second);
            notes.Enter(RepairRig.Second);
            notes.End(new RepairResult(RepairRig.Second, first.Steps, "", true));

            var successor = new RepairNotes(_rig.NotesFile);
            Assert.False(successor.IsUnfinished);
            Assert.Equal(RepairRig.Second, successor.Generation);
            Assert.Equal(first.Steps, successor.Last!.Steps);
        }
    }

    [Fact]
    public void Notes_of_many_repairs_stay_short_and_tell_the_last_one()
    {
        var notes = new RepairNotes(_rig.NotesFile);
        var steps = _rig.Run(RepairRig.Restored()).Steps;
        for (var i = 0; i < 1000; i++)
        {
            byte[] generation = [.. BitConverter.GetBytes(i), .. new byte[12]];
            notes.Begin(generation);
            notes.Enter(generation);
            notes.End(new RepairResult(generation, steps, "", true));
        }

        Assert.InRange(new FileInfo(_rig.NotesFile).Length, 1, 100_000);
        var successor = new RepairNotes(_rig.NotesFile);
        Assert.Equal(notes.Generation, successor.Generation);
        Assert.Equal(notes.Last!.Generation, successor.Last!.Generation);
        Assert.Equal(RepairNotes.MaxLeft, Enumerable.Range(0, 1000).Count(i => successor.HasLeft([.. BitConverter.GetBytes(i), .. new byte[12]])));
    }

    [Fact]
    public void What_no_agent_wrote_as_a_note_is_no_note()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_rig.NotesFile)!);
        File.WriteAllText(_rig.NotesFile, "generation\tzz\nleft\nstep\t1\nresult\tx\ty\nbegun\n\0\t\t\t\n");

        var repair = _rig.Agent();

        Assert.Equal([], repair.Generation);
        Assert.False(repair.IsUnfinished);
    }
}
