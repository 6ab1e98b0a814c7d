using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>What is refused before an operation begins, or before its halves do.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class OperationRefusalTests
{
    private static string TrustedScript(string body) => "#!/bin/sh\nset -e\n" + body;

    [Fact]
    public async Task A_verify_that_refuses_ends_the_operation_before_an_appliance_is_started()
    {
        using var rig = new InstallRig(_ => Task.FromResult(InstallRig.Well));
        rig.Records.Change("vm1", r => r.With("size", OsParameter.Public("small")));
        rig.Write("os/verify", TrustedScript("test \"$OSP_SIZE\" = large || { echo \"size $OSP_SIZE is too small\" >&2; exit 1; }"));
        var (result, _) = await rig.RunAsync();
        Assert.Contains("its verify refuses the parameters (exit code 1); its last words: size small is too small", result.Reason);
        Assert.Equal(0, rig.Appliance!.Launches);
        rig.Records.Change("vm1", r => r.With("size", OsParameter.Public("large")));
        Assert.Equal(InstallOutcome.Succeeded, (await rig.RunAsync()).Result.Outcome);
    }

    [Fact]
    public async Task A_second_operation_on_an_instance_waits_for_nothing_and_is_refused()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", TrustedScript("sleep 1000"));
        var first = rig.Start();
        var error = Assert.Throws<ChannelException>(() => rig.Start());
        Assert.Equal(ChannelError.FailedPrecondition, error.Code);
        Assert.Contains(first.Id, error.Message);
        first.Cancel();
        await first.Completion.WaitAsync(InstallRig.Soon);
        var again = rig.Start();
        again.Cancel();
        await again.Completion.WaitAsync(InstallRig.Soon);
    }

    [Fact]
    public async Task Nothing_takes_the_name_that_an_instance_is_about_to_get()
    {
        using var rig = new InstallRig();
        rig.Write("os/rename", TrustedScript("sleep 1000"));
        var operation = rig.Start(r => r with { Action = InstallAction.Rename, NewName = "vm2" });
        Assert.Contains("vm2 is kept by another operation", Assert.Throws<ChannelException>(() => InstanceLock.Take(rig.State, "vm3", "vm2")).Message);
        InstanceLock.Take(rig.State, "vm3").Dispose();
        operation.Cancel();
        Assert.Equal(InstallOutcome.Cancelled, (await operation.Completion.WaitAsync(InstallRig.Soon)).Outcome);
        InstanceLock.Take(rig.State, "vm1", "vm2").Dispose();
        Assert.Equal(["vm1"], rig.Records.List());
    }

    [Theory]
    [InlineData(ExecutionMode.Run, false, false)]
    [InlineData(ExecutionMode.Run, true, true)]
    [InlineData(ExecutionMode.Install, false, true)]
    [InlineData(ExecutionMode.SelfInstall, false, true)]
    public async Task A_running_instance_is_installed_over_only_by_a_reinstall_and_keeps_its_mode(ExecutionMode mode, bool isReinstall, bool begins)
    {
        using var rig = new InstallRig();
        rig.Write("os/create", TrustedScript("true"));
        rig.Records.Change("vm1", r => r with { Mode = mode });
        if (begins)
        {
            Assert.Equal(InstallOutcome.Succeeded, (await rig.RunAsync(r => r with { IsReinstall = isReinstall })).Result.Outcome);
        }
        else
        {
            var error = Assert.Throws<ChannelException>(() => rig.Start());
            Assert.Equal(ChannelError.FailedPrecondition, error.Code);
            Assert.Contains("vm1 is in mode run", error.Message);
            Assert.Contains("--reinstall), or set the record's mode to install", error.Message);
        }

        Assert.Equal(mode, rig.Records.Get("vm1").Mode);
    }

    [Fact]
    public async Task What_does_not_install_is_done_in_any_mode()
    {
        using var rig = new InstallRig();
        rig.Write("os/export", TrustedScript("true"));
        rig.Records.Change("vm1", r => r with { Mode = ExecutionMode.Run });
        Assert.Equal(InstallOutcome.Succeeded, (await rig.RunAsync(r => r with { Action = InstallAction.Export })).Result.Outcome);
    }

    [Fact]
    public void Mistakes_are_told_before_anything_begins_and_wipe_the_secrets()
    {
        using var rig = new InstallRig(_ => Task.FromResult(InstallRig.Well));
        void Fails(string said, Func<InstallRequest, InstallRequest> change)
        {
            var secrets = new SecretParameters();
            secrets.Add("a", SecretValue.CopyOf("MARKED"u8));
            Assert.Contains(said, Assert.Throws<ChannelException>(() => rig.Start(r => change(r with { Secrets = secrets }))).Message);
            Assert.Empty(secrets.Names);
        }

        Fails("vm2 has no record", r => r with { Instance = "vm2" });
        Fails("there is no disk /nonexistent", r => r with { Disks = [new TargetDisk("/nonexistent")] });
        Fails("cannot rename", r => r with { Action = InstallAction.Rename, NewName = "vm2" });
        Fails("needs the new name", r => r with { Action = InstallAction.Rename });
        rig.Write("os/rename", TrustedScript(""));
        Fails("vm1 has that name already", r => r with { Action = InstallAction.Rename, NewName = "vm1" });
        rig.Records.Put(rig.Records.Get("vm1") with { Name = "vm2" });
        Fails("vm2 has a record already", r => r with { Action = InstallAction.Rename, NewName = "vm2" });
        rig.Records.Remove("vm2");
        rig.Write("os/create", "x");
        rig.Policy = new DefinitionPolicy { ForbidTrusted = true };
        Fails("the administrator of this host forbids", r => r);
        Assert.Empty(rig.Open().List());
    }
}
