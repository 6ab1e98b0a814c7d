using ChannelSdk.GuestAgent.Gate;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.GuestAgent.Tests.Snapshots;

/// <summary>The lock of logind, with a script in the place of systemd-inhibit; the real one is in the Debian guest's test.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class SystemInhibitorTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("inhibit-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_lock_is_held_until_it_is_given_back()
    {
        var inhibitor = new SystemInhibitor(Script("echo \"$*\" > $(dirname $0)/words; while [ $# -gt 1 ]; do shift; done; \"$@\""), _folder.FullName);

        Assert.Null(inhibitor.Take(out _));

        var held = ProcessIdentity.Of(inhibitor.Session)!.Value;
        Assert.True(held.IsRunning);
        Assert.StartsWith("--what=shutdown:sleep:idle --who=channel-agent", File.ReadAllText($"{_folder.FullName}/words"), StringComparison.Ordinal);
        inhibitor.Release();
        Assert.False(held.IsRunning);
        Assert.Equal(0, inhibitor.Session);
        inhibitor.Release();
    }

    [Fact]
    public void A_lock_that_is_refused_is_told()
    {
        var inhibitor = new SystemInhibitor(Script("echo refused; exit 1"), _folder.FullName);

        Assert.Equal("logind did not give the lock", inhibitor.Take(out var isSkipped));

        Assert.Equal((false, 0), (isSkipped, inhibitor.Session));
    }

    [Fact]
    public void Without_logind_there_is_nothing_to_take()
    {
        Assert.NotNull(new SystemInhibitor("/bin/true", "/nonexistent").Take(out var isSkipped));
        Assert.True(isSkipped);
        Assert.NotNull(new SystemInhibitor("/nonexistent", "/").Take(out isSkipped));
        Assert.True(isSkipped);
    }

    private string Script(string lines)
    {
        var path = $"{_folder.FullName}/systemd-inhibit";
        File.WriteAllText(path, $"#!/bin/sh\n{lines}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }
}
