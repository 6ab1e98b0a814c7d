using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Operations that a real agent refuses.</summary>
[Collection("operations that agents run")]
public class InstallRefusalTests
{
    [Fact]
    public async Task A_guest_that_is_no_appliance_refuses_and_says_so()
    {
        await using var rig = new AgentRig(install: false);
        await using var driver = await InstallDriver.OpenAsync(rig.Instance.Channel);
        var e = await driver.FailAsync();
        Assert.Equal(ChannelError.PermissionDenied, e.Code);
        Assert.Contains("install = false", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("install.Run", (await rig.Instance.Info.GetAsync(rig.Soon)).Methods);
        Assert.Contains(rig.Lines, line => line.Contains("refused install.Run", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_request_that_is_wrong_changes_nothing()
    {
        await using var rig = new AgentRig();
        static void Export(InstallRunRequest request, params string[] disks)
        {
            request.Action = "export";
            request.DataDevices.AddRange(disks);
        }

        Action<InstallRunRequest>[] changes =
        [
            r => r.Operation = ByteString.CopyFromUtf8("short"), r => r.Action = "../create", r => r.Instance = "", r => r.Instance = "a\nb",
            r => r.Environment.Add(ByteString.CopyFromUtf8("OSP_DISK=x")), r => r.Environment.Add(ByteString.CopyFromUtf8("CHANNELSDK_HALF=x")),
            r => r.Environment.Add(ByteString.CopyFromUtf8("A=b\0c")), r => r.Parameters.Add(new InstallParameter { Name = "a-b" }),
            r => r.Parameters.Add([new InstallParameter { Name = "a" }, new InstallParameter { Name = "A" }]),
            r => r.Parameters.Add(new InstallParameter { Name = "a", Value = ByteString.CopyFrom(new byte[1]) }),
            r => r.Parameters.Add(new InstallParameter { Name = "a", Value = ByteString.CopyFromUtf8(new string('x', 98_305)) }),
            r => r.DataDevices.Add("/dev/vda"),
            r => Export(r, ""), r => Export(r, "a\nb"), r => Export(r, new string('x', 256)), r => Export(r, [.. Enumerable.Repeat("/dev/vda", 65)]),
            r => r.Environment.Add(Enumerable.Repeat(ByteString.CopyFromUtf8("A=b"), 513)),
        ];
        foreach (var change in changes)
        {
            await using var driver = await InstallDriver.OpenAsync(rig.Instance.Channel, change);
            Assert.Equal(ChannelError.InvalidArgument, (await driver.FailAsync()).Code);
        }

        Assert.False(Directory.Exists(rig.RunFolder));
    }

    [Theory]
    [InlineData("../create", ChannelError.InvalidArgument)]
    [InlineData("..", ChannelError.InvalidArgument)]
    [InlineData("", ChannelError.InvalidArgument)]
    [InlineData("//a", ChannelError.InvalidArgument)]
    [InlineData("/", ChannelError.InvalidArgument)]
    [InlineData("/a/../b", ChannelError.InvalidArgument)]
    [InlineData("a//b", ChannelError.InvalidArgument)]
    [InlineData("a/../../b", ChannelError.InvalidArgument)]
    [InlineData("a/", ChannelError.InvalidArgument)]
    [InlineData("1/2/3/4/5/6/7/8/9", ChannelError.InvalidArgument)]
    [InlineData("create/inside", ChannelError.FailedPrecondition)]
    [InlineData("a\nb", ChannelError.InvalidArgument)]
    [InlineData("create", ChannelError.FailedPrecondition)]
    public async Task A_script_whose_name_leads_elsewhere_is_refused(string name, ChannelError code)
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallDriver.OpenAsync(rig.Instance.Channel);
        await driver.AddAsync("create", "#!/bin/sh\n");
        await driver.AddAsync(name, "x");
        Assert.Equal(code, (await driver.FailAsync()).Code);
        Assert.Empty(Directory.GetDirectories(rig.RunFolder));
    }

    [Fact]
    public async Task Too_many_scripts_are_refused()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallDriver.OpenAsync(rig.Instance.Channel);
        var e = await Assert.ThrowsAsync<ChannelException>(async () =>
        {
            for (var i = 0; i < 300; i++)
            {
                await driver.AddAsync($"script{i}", new string('x', 1000));
            }

            await driver.FailAsync().ContinueWith(failed => throw failed.Result, TaskScheduler.Default);
        });
        Assert.Equal(ChannelError.ResourceExhausted, e.Code);
    }

    [Theory]
    [InlineData("no script of this action", false, ChannelError.NotFound)]
    [InlineData("one that is no program", true, ChannelError.NotFound)]
    public async Task An_operation_without_its_program_fails_at_once(string why, bool isThere, ChannelError code)
    {
        Assert.NotEmpty(why);
        await using var rig = new AgentRig();
        await using var driver = await InstallDriver.OpenAsync(rig.Instance.Channel);
        await driver.AddAsync(isThere ? "create" : "other", "#!/bin/sh\n", isExecutable: false);
        await driver.Out.WriteAsync(InstallMessage.Start, ReadOnlyMemory<byte>.Empty);
        Assert.Equal(code, (await driver.FailAsync()).Code);
    }

    [Theory]
    [InlineData("create", "#!/no/such/bash -e\nexit 0\n", "/no/such/bash")]
    [InlineData("create", "#! /no/such/\u001bsh", "/no/such/\\u001bsh")]
    [InlineData("verify", "#!/no/such/bash\n", "/no/such/bash")]
    public async Task A_script_whose_interpreter_is_missing_fails_with_its_name(string action, string script, string named)
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallDriver.OpenAsync(rig.Instance.Channel, request => request.Action = action);
        await driver.AddAsync(action, script);
        await driver.Out.WriteAsync(InstallMessage.Start, ReadOnlyMemory<byte>.Empty);
        var e = await driver.FailAsync();
        Assert.Equal(ChannelError.NotFound, e.Code);
        Assert.Contains($"the script {action} cannot be run in the appliance: {named}, which its first line names, is not there", e.Message, StringComparison.Ordinal);
    }
}
