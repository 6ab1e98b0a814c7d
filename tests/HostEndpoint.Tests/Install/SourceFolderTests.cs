using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Processes;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>Definitions whose author changes them while they are read, and launchers that do not come back.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed partial class SourceFolderTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private OsDefinition Load(string name = "os") => new DefinitionCatalog(_folder.At("definitions")).Load(name);

    private string Write(string name, string content) => _folder.Write("definitions/" + name, content, isScript: true);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task No_file_of_the_host_is_reached_while_names_are_swapped(bool isFolder)
    {
        const string theHosts = "THE HOST'S OWN FILE";
        _folder.Write("host/create", theHosts, isScript: true);
        Write("os/untrusted/create", "mine");
        // Its author is another user, whose links out of it are not followed.
        File.SetUnixFileMode(_folder.At("definitions", "os", "untrusted"), (UnixFileMode)0b111_111_111);
        var (place, other) = isFolder ? (_folder.At("definitions", "os", "untrusted"), _folder.At("other")) : (_folder.At("definitions", "os", "untrusted", "create"), _folder.At("other"));
        File.CreateSymbolicLink(other, isFolder ? _folder.At("host") : _folder.At("host", "create"));
        using var stop = new CancellationTokenSource();
        var swapping = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                const uint exchange = 2;
                Assert.Equal(0, RenameAt2(-100, place, -100, other, exchange));
            }
        });
        int read = 0, refused = 0;
        for (var limit = Stopwatch.StartNew(); limit.Elapsed < TimeSpan.FromSeconds(10) && (read < 200 || refused < 200);)
        {
            try
            {
                var files = Load().ReadUntrusted();
                Assert.All(files, file => Assert.Equal("mine", file.Content.ToStringUtf8()));
                read++;
            }
            catch (ChannelException e)
            {
                Assert.DoesNotContain(theHosts, e.Message);
                refused++;
            }
        }

        await stop.CancelAsync();
        await swapping;
        Assert.True(read > 0 && refused > 0, $"{read} read, {refused} refused: nothing was swapped");
    }

    [Fact]
    public void A_definition_that_is_a_link_is_refused()
    {
        Write("os/create", "");
        Directory.CreateSymbolicLink(_folder.At("definitions", "linked"), _folder.At("definitions", "os"));
        Assert.Contains("it is a link", Assert.Throws<ChannelException>(() => Load("linked")).Message);
    }

    [Theory]
    [InlineData("create", 0b111_111_101, "its group may write it")]
    [InlineData("create", 0b111_101_111, "everybody may write it")]
    [InlineData("", 0b111_111_101, "its group may write it")]
    [InlineData("..", 0b111_101_111, "everybody may write it")]
    public void A_script_for_the_host_that_others_can_replace_is_refused(string part, int mode, string said)
    {
        Write("os/create", "");
        Load();
        File.SetUnixFileMode(Path.GetFullPath(_folder.At("definitions", "os", part)), (UnixFileMode)mode);
        Assert.Contains(said, Assert.Throws<ChannelException>(() => Load()).Message);
    }

    [Fact]
    public void A_script_for_the_host_belongs_to_root_or_to_us()
    {
        if (Environment.UserName != "root")
        {
            // Only root can give a file away.
            return;
        }

        var path = Write("os/create", "");
        using (var file = File.OpenHandle(path))
        {
            LocalFile.SetOwner(file, 65534, 65534);
        }

        Assert.Contains("it belongs to user 65534", Assert.Throws<ChannelException>(() => Load()).Message);
        // In an appliance it may.
        Write("guest/untrusted/create", "");
        Assert.True(Load("guest").HasUntrusted(InstallAction.Create));
    }

    [Fact]
    public async Task The_checked_file_runs_even_if_another_is_in_its_place_by_then()
    {
        var path = Write("os/create", "#!/bin/sh\necho checked; echo \"$0\"\n");
        using var script = Load().OpenTrusted(InstallAction.Create);
        File.Move(_folder.Write("other", "#!/bin/sh\necho REPLACED\n", isScript: true), path, overwrite: true);
        var said = new StringBuilder();
        void Say(ReadOnlyMemory<byte> bytes) => said.Append(Encoding.ASCII.GetString(bytes.Span));
        await using var process = HostProcess.Start(script, [], ["PATH=/usr/bin:/bin"u8.ToArray()], _folder.Path, Guid.NewGuid().ToString("N"), new HostStreams(Say, Say));
        Assert.Equal(0u, (await process.End.WaitAsync(InstallRig.Soon)).Code);
        Assert.Equal("checked\n/proc/self/fd/3\n", said.ToString());
    }

    [Fact]
    public async Task A_script_is_told_where_its_definition_is()
    {
        using var rig = new InstallRig();
        rig.Write("os/words", "hello from beside\n");
        rig.Write("os/create", "#!/bin/sh\ncat \"$CHANNELSDK_DEFINITION/words\"\n");
        var (result, _) = await rig.RunAsync();
        Assert.Equal("", result.Reason);
        Assert.Contains("hello from beside", await File.ReadAllTextAsync(result.LogFile));
    }

    [Fact]
    public void A_secret_that_a_script_of_the_host_may_ask_for_has_no_copy()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n");
        using var secrets = new SecretParameters();
        var secret = SecretValue.CopyOf("MARKED"u8);
        secrets.Add("root_password", secret);
        var plan = OperationPlan.Make(new InstallRequest { Instance = "vm1", Secrets = secrets }, rig.Records.Get("vm1"), rig.Options);
        var parameters = plan.ToScriptParameters();
        Assert.True(parameters.Get("root_password").Span.Overlaps(secret.GetSpan()));
        parameters.Wipe();
        Assert.Equal("MARKED"u8, secret.GetSpan());
    }

    [Fact]
    public async Task A_launcher_that_hangs_does_not_outlast_the_deadline_and_its_late_appliance_is_killed()
    {
        using var release = new ManualResetEventSlim();
        using var rig = new InstallRig(_ => Task.FromResult(InstallRig.Well));
        rig.Deadline = TimeSpan.FromSeconds(1);
        rig.Launcher = new Stuck(rig.Appliance!, release);
        var operation = rig.Start();
        var result = await operation.Completion.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(InstallOutcome.TimedOut, result.Outcome);
        Assert.Null(rig.Appliance!.Last);
        release.Set();
        for (var soon = InstallRig.Soon; rig.Appliance.Last is not { IsKilled: true };)
        {
            await Task.Delay(5, soon);
        }
    }

    private sealed class Stuck(FakeAppliance appliance, ManualResetEventSlim release) : IInstanceLauncher
    {
        public Task<ILaunchedInstance> LaunchAsync(LaunchRequest request, CancellationToken cancellationToken = default)
        {
            release.Wait(CancellationToken.None);
            return appliance.LaunchAsync(request, CancellationToken.None);
        }
    }

    [LibraryImport("libc", EntryPoint = "renameat2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);
}
