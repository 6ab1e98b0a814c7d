using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Records;
using ChannelSdk.Metadata.Guest;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Services.Install;

namespace ChannelSdk.HostEndpoint.Tests.Install;

public class EventTests
{
    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    private static LogEvent Line(string text) => new() { Level = InstallLogLevel.Info, Text = text };

    [Fact]
    public async Task Each_watcher_follows_by_its_own_cursor_and_ends_with_the_log()
    {
        var log = new InstallEventLog(TimeProvider.System);
        log.Add(new PhaseEvent { Phase = InstallPhase.Preparing });
        var early = log.ReadAsync(0, Soon).GetAsyncEnumerator();
        Assert.True(await early.MoveNextAsync());
        Assert.Equal(1, early.Current.Cursor);
        var next = early.MoveNextAsync();
        Assert.False(next.IsCompleted);
        log.Add(Line("a"));
        Assert.True(await next);
        log.Add(new ResultEvent { Outcome = InstallOutcome.Succeeded, Reason = "" });
        log.Close();
        Assert.Equal([2, 3], await log.ReadAsync(1, Soon).Select(e => e.Cursor).ToListAsync(Soon));
        Assert.True(await early.MoveNextAsync());
        Assert.IsType<ResultEvent>(early.Current);
        Assert.False(await early.MoveNextAsync());
    }

    [Fact]
    public async Task The_history_is_bounded_and_the_cursor_tells_how_many_were_dropped()
    {
        var log = new InstallEventLog(TimeProvider.System);
        for (var i = 0; i < 5000; i++)
        {
            log.Add(Line("x"));
        }

        log.Close();
        var kept = await log.ReadAsync(0, Soon).Select(e => e.Cursor).ToListAsync(Soon);
        Assert.Equal(4096, kept.Count);
        Assert.Equal(5000, kept[^1]);
        var long_ = new InstallEventLog(TimeProvider.System);
        for (var i = 0; i < 300; i++)
        {
            long_.Add(Line(new string('x', 8192)));
        }

        long_.Close();
        Assert.InRange((await long_.ReadAsync(0, Soon).ToListAsync(Soon)).Count, 1, 128);
    }

    [Fact]
    public async Task A_guest_that_installs_itself_is_watched_like_an_operation()
    {
        var progress = new ProgressLog(100);
        ProgressEvent Told(string origin, string name, double? percent = null, ProgressResult? result = null) =>
            new(0, DateTimeOffset.UnixEpoch, null, origin, name, "te\u001bxt", ProgressPhase.Finish, result, percent, new Dictionary<string, string>());
        progress.Add(Told("installer", "disk/format", 12.5));
        progress.Add(Told("cloudinit", "modules-final", null, ProgressResult.Failure));
        progress.Add(Told("phone_home", "phone_home"));
        progress.Close();
        var seen = await SelfInstall.WatchAsync(progress, 0, Soon).ToListAsync(Soon);
        Assert.Equal([1, 2, 3], seen.Select(e => e.Cursor));
        Assert.All(seen, e => Assert.Equal(InstallParty.Guest, e.Party));
        var first = Assert.IsType<ProgressMadeEvent>(seen[0]);
        Assert.Equal((12.5, "te\\u001bxt"), (first.Percent, first.Text));
        Assert.Equal(["disk", "format"], first.Steps);
        Assert.Equal(InstallLogLevel.Error, Assert.IsType<LogEvent>(seen[1]).Level);
        Assert.Equal(InstallOutcome.Succeeded, Assert.IsType<ResultEvent>(seen[2]).Outcome);
        Assert.Equal([2, 3], await SelfInstall.WatchAsync(progress, 1, Soon).Select(e => e.Cursor).ToListAsync(Soon));
    }

    [Fact]
    public void An_instance_that_installs_itself_is_told_its_parameters_and_its_package()
    {
        var record = new InstanceRecord { Name = "vm1", OsDefinition = "debian", PersonalizationUrl = "https://example.org/p.tgz" }
            .With("hostname", OsParameter.Public("guest")).With("root_password", OsParameter.Secret(null));
        var metadata = InstanceMetadata.Parse("instance_id: i-1\nhostname: h\nos: {parameters: {root_password: {class: secret, value: s}}}\n"u8.ToArray());
        var told = SelfInstall.Metadata(record, metadata);
        Assert.Equal("debian", told.Os.Name);
        Assert.Equal("guest", told.Os.Parameters["hostname"].Reveal());
        Assert.Equal("s", told.Os.Parameters["root_password"].Reveal());
        Assert.Equal("https://example.org/p.tgz", told.Meta["personalization_url"]);
    }
}
