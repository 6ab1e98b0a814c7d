using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>Definitions that run in the appliance as a whole, as the administrator says.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class ConfinedTests : IDisposable
{
    private readonly List<FakeScript> _ran = [];
    private readonly InstallRig _rig;
    private Func<FakeScript, Task<ScriptEnded>> _script = static _ => Task.FromResult(InstallRig.Well);

    public ConfinedTests() => _rig = new InstallRig
    {
        Policy = new DefinitionPolicy { ConfineOf = new HashSet<string> { "os" }, ForbidTrusted = true },
        Appliance = new FakeAppliance(script =>
        {
            _ran.Add(script);
            return _script(script);
        }),
    };

    public void Dispose() => _rig.Dispose();

    /// <summary>As a definition of Ganeti's; a script that runs on this host fails.</summary>
    private void WriteGaneti()
    {
        foreach (var name in (string[])["create", "export", "import", "rename", "verify"])
        {
            _rig.Write($"os/{name}", "#!/bin/sh\nexit 9\n");
        }

        _rig.Write("os/ganeti_api_version", "20\n");
        _rig.Write("os/parameters.list", "filesystem of the root\n");
        _rig.Write("os/common.sh", "x=1\n");
        _rig.Write("os/hooks/clear", "");
        File.CreateSymbolicLink(_rig.At("definitions", "os", "variants.list"), _rig.Write("etc/variants.list", "default\n"));
    }

    [Fact]
    public async Task All_of_a_confined_definition_runs_in_the_appliance_its_verify_first()
    {
        WriteGaneti();
        var (result, events) = await _rig.RunAsync();
        Assert.Equal("", result.Reason);
        Assert.Equal(["verify", "create"], _ran.Select(static script => script.Request.Action));
        Assert.All(_ran, static script =>
        {
            Assert.Equal(
                ["common.sh", "create", "export", "ganeti_api_version", "hooks/clear", "import", "parameters.list", "rename", "variants.list", "verify"],
                script.Scripts.Select(static file => file.Name));
            Assert.Equal("default\n", script.Scripts.Single(static file => file.Name == "variants.list").Content.ToStringUtf8());
            Assert.Empty(((string[])["OS_NAME=os", "OS_VARIANT=default", "OS_API_VERSION=20", "INSTANCE_NAME=vm1", "DISK_0_PATH=/dev/vda", "DISK_COUNT=1"])
                .Except(script.Request.Environment.Select(static variable => variable.ToStringUtf8())));
        });
        Assert.Equal(
            [InstallPhase.Preparing, InstallPhase.Booting, InstallPhase.Verifying, InstallPhase.Running, InstallPhase.CleaningUp, InstallPhase.Ended],
            events.OfType<PhaseEvent>().Select(static e => e.Phase));
    }

    [Theory]
    [InlineData(InstallAction.Export)]
    [InlineData(InstallAction.Import)]
    [InlineData(InstallAction.Rename)]
    public async Task Every_action_of_it_does(InstallAction action)
    {
        WriteGaneti();
        var (result, _) = await _rig.RunAsync(request => request with { Action = action, NewName = action == InstallAction.Rename ? "vm2" : null });
        Assert.Equal("", result.Reason);
        Assert.Equal(["verify", action.ToString().ToLowerInvariant()], _ran.Select(static script => script.Request.Action));
    }

    [Fact]
    public async Task A_verify_that_refuses_in_the_appliance_is_told_with_its_words_and_nothing_follows()
    {
        WriteGaneti();
        _script = static async script =>
        {
            await script.Stream.WriteAsync(InstallMessage.Error, "Invalid value 'ntfs'\n"u8.ToArray());
            return InstallWire.Ended(3, 0, "");
        };
        Assert.Equal("its verify refuses the parameters (exit code 3); its last words: Invalid value 'ntfs'", (await _rig.RunAsync()).Result.Reason);
        Assert.Single(_ran);
    }

    [Fact]
    public async Task The_words_of_a_verify_are_not_those_of_the_script_behind_it()
    {
        WriteGaneti();
        _script = static async script =>
        {
            if (script.Request.Action == InstallNames.Verify)
            {
                await script.Stream.WriteAsync(InstallMessage.Error, "a warning\n"u8.ToArray());
            }

            return InstallWire.Ended(script.Request.Action == InstallNames.Verify ? 0u : 1, 0, "");
        };
        Assert.Equal("the half in the appliance failed (exit code 1)", (await _rig.RunAsync()).Result.Reason);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_verify_that_loops_is_ended_by_the_deadline_which_says_so(bool isConfined)
    {
        WriteGaneti();
        _rig.Deadline = TimeSpan.FromSeconds(2);
        _script = static async script =>
        {
            await Task.Delay(Timeout.Infinite, script.Ended);
            return InstallRig.Well;
        };
        if (!isConfined)
        {
            _rig.Policy = null;
            _rig.Write("os/verify", "#!/bin/sh\nwhile :; do sleep 1; done\n");
        }

        var (result, _) = await _rig.RunAsync();
        Assert.Equal((InstallOutcome.TimedOut, "the deadline of 2 s passed in the phase Verifying"), (result.Outcome, result.Reason));
    }

    [Fact]
    public async Task An_appliance_that_ends_while_it_verifies_is_told_of()
    {
        WriteGaneti();
        _script = async script =>
        {
            await _rig.Appliance!.Last!.DieAsync();
            return InstallRig.Well;
        };
        Assert.Equal("the appliance ended before its work was done", (await _rig.RunAsync()).Result.Reason);
    }

    [Fact]
    public async Task What_it_reads_elsewhere_on_this_host_is_sent_to_the_same_place()
    {
        _rig.Write("os/create", "");
        var config = _rig.Write("etc/default/os", "MIRROR=http://deb.example.org/\n");
        _rig.Write("etc/ganeti/variants/default.conf", "SUITE=bookworm\n");
        File.CreateSymbolicLink(_rig.At("definitions", "etc", "ganeti", "main"), "variants");
        var folder = _rig.At("definitions", "etc", "ganeti");
        _rig.Policy = _rig.Policy! with { ConfineFiles = [config, folder + "/"] };
        Assert.Equal("", (await _rig.RunAsync()).Result.Reason);
        Assert.Equal(
            [("create", ""), (config, "MIRROR=http://deb.example.org/\n"), (folder + "/main/default.conf", "SUITE=bookworm\n"), (folder + "/variants/default.conf", "SUITE=bookworm\n")],
            Assert.Single(_ran).Scripts.Select(static file => (file.Name, file.Content.ToStringUtf8())));

        var deep = Path.GetDirectoryName(_rig.Write("etc/1/2/3/4/5/6/7", ""))!;
        foreach (var (path, said) in ((string, string)[])[(config + ".old", "there is no such file or folder"), ("/", "an appliance has its own"), ("/nonexistent/a", "/nonexistent: No such file"), (deep, "at most 8 parts")])
        {
            _rig.Policy = _rig.Policy! with { ConfineFiles = [path] };
            Assert.Contains(said, Assert.Throws<ChannelException>(() => _rig.Start()).Message);
        }

        for (var i = 0; i < ScriptLimits.MaxFiles; i++)
        {
            _rig.Write($"etc/many/{i}", "");
        }

        _rig.Policy = _rig.Policy! with { ConfineFiles = [_rig.At("definitions", "etc", "many")] };
        Assert.Contains("at most 256 files", Assert.Throws<ChannelException>(() => _rig.Start()).Message);
    }

    [Fact]
    public void A_confined_definition_that_lacks_the_action_names_the_script()
    {
        _rig.Write("os/create", "");
        Assert.Contains($"cannot export: there is no {_rig.At("definitions", "os", "export")}",
            Assert.Throws<ChannelException>(() => _rig.Start(static request => request with { Action = InstallAction.Export })).Message);
        File.SetUnixFileMode(_rig.At("definitions", "os", "create"), (UnixFileMode)0b110_100_100);
        Assert.Contains("os/create: it is not executable", Assert.Throws<ChannelException>(() => _rig.Start()).Message);
    }

    [Fact]
    public async Task One_that_has_both_halves_is_refused_and_one_for_the_appliance_alone_is_as_it_was()
    {
        _rig.Write("os/untrusted/create", "");
        var (result, _) = await _rig.RunAsync();
        Assert.Equal("", result.Reason);
        Assert.Equal(["create"], Assert.Single(_ran).Scripts.Select(static file => file.Name));

        foreach (var name in (string[])["verify", "create"])
        {
            var path = _rig.Write($"os/{name}", "");
            var error = Assert.Throws<ChannelException>(() => _rig.Start());
            Assert.Equal(ChannelError.PermissionDenied, error.Code);
            Assert.Contains($"confines the OS definition os to the appliance, and {path} is for the host", error.Message);
        }
    }

    [Fact]
    public async Task A_confined_definition_may_be_another_users_as_nothing_of_it_runs_here()
    {
        WriteGaneti();
        File.Delete(_rig.At("definitions", "os", "variants.list"));
        File.SetUnixFileMode(_rig.At("definitions", "os"), (UnixFileMode)0b111_111_111);
        File.SetUnixFileMode(_rig.At("definitions", "os", "create"), (UnixFileMode)0b111_111_111);
        Assert.Equal("", (await _rig.RunAsync()).Result.Reason);
        File.CreateSymbolicLink(_rig.At("definitions", "os", "secrets"), _rig.Disk);
        Assert.Contains("os: everybody may write it, and the link", Assert.Throws<ChannelException>(() => _rig.Start()).Message);
    }
}
