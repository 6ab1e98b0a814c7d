using System.Diagnostics;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>Streams of a guest that keeps its link and says nothing more.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class ToolSilenceTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("send URI --bytes 100000000")]
    [InlineData("send URI --bytes 1")]
    [InlineData("receive URI --bytes 2000")]
    [InlineData("trim URI")]
    [InlineData("cp URI FILE guest:/x")]
    [InlineData("cp URI guest:/x COPY")]
    public async Task What_stands_still_for_longer_than_the_given_timeout_ends_with_a_line_that_says_so(string line)
    {
        await using var guest = new SilentGuest();
        var file = Path.Combine(_folder.FullName, "file");
        await File.WriteAllTextAsync(file, "content");
        var start = Stopwatch.GetTimestamp();
        var run = await ToolRun.RunAsync(TimeSpan.FromSeconds(20), [.. line.Split(' ')
            .Select(word => word switch { "URI" => guest.Uri, "FILE" => file, "COPY" => Path.Combine(_folder.FullName, "copy"), _ => word }), "--timeout", "0.5"]);
        Assert.True(run.Code == 5 && run.Error.Contains("(--timeout)", StringComparison.Ordinal), $"{run.Code} {run.Error}");
        Assert.Null(ToolRun.Complaint(run, line));
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromSeconds(0.4), TimeSpan.FromSeconds(15));
        Assert.Equal(["file"], _folder.GetFiles().Select(f => f.Name));
    }

    [Fact]
    public async Task A_transfer_that_gets_on_is_not_ended_by_the_timeout()
    {
        await using var guest = new SilentGuest(pace: TimeSpan.FromMilliseconds(150));
        var start = Stopwatch.GetTimestamp();
        var run = await ToolRun.RunAsync(TimeSpan.FromSeconds(30), "receive", guest.Uri, "--bytes", "20000", "--timeout", "2");
        Assert.True(run.Code == 0, run.Error);
        Assert.True(Stopwatch.GetElapsedTime(start) > TimeSpan.FromSeconds(2), "it has not taken longer than the timeout, so this says nothing");
    }
}
