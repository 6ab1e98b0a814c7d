using System.Reflection;
using System.Runtime.Loader;
using System.Text.RegularExpressions;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>The walk of one frame in docs/ARCHITECTURE.md against the stacks of real calls.</summary>
public partial class FrameWalkTests
{
    [Fact]
    public async Task A_frame_runs_through_the_files_that_the_architecture_names_in_their_order()
    {
        var stacks = await WalkAsync();
        Assert.Equal(Table(), stacks.SelectMany(static stack => stack).Distinct());
        Assert.InRange(Table().Length, 1, 12);
    }

    [Fact]
    public async Task A_frame_enters_each_folder_once_each_way()
    {
        var stacks = await WalkAsync();
        string[] down = ["src/Transports/Reactor", "src/Channel", "protocol/Rpc", "protocol/Sessions", "protocol/Links"];
        string[] up = ["protocol/Sessions", "protocol/Rpc", "src/Channel"];
        Assert.Equal([.. down, .. up], Folders(stacks[0]));
        Assert.Equal(["src/Transports/Reactor", "src/Channel", "src/GuestAgent/Policy"], Folders(stacks[1]));
        Assert.Equal(["src/Transports/Reactor", "src/Channel", "src/GuestAgent/Info"], Folders(stacks[2]));
    }

    /// <summary>
    /// In assemblies of its own, which are compiled for their first calls: methods that are called often are compiled again, and those that
    /// are small vanish into their callers then.
    /// </summary>
    private static async Task<string[][]> WalkAsync()
    {
        var assembly = new FreshContext().LoadFromAssemblyPath(typeof(FrameWalk).Assembly.Location);
        var walk = assembly.GetType(typeof(FrameWalk).FullName!, throwOnError: true)!;
        return await (Task<string[][]>)walk.GetMethod(nameof(FrameWalk.RunAsync))!.Invoke(null, null)!;
    }

    private static List<string> Folders(string[] files)
    {
        List<string> folders = [];
        foreach (var folder in files.Select(static file => Path.GetDirectoryName(file)!))
        {
            if (folders.Count == 0 || folders[^1] != folder)
            {
                folders.Add(folder);
            }
        }

        return folders;
    }

    private static string[] Table()
    {
        var root = AppContext.BaseDirectory;
        while (!File.Exists($"{root}/ChannelSdk.sln"))
        {
            root = Path.GetDirectoryName(root) ?? throw new InvalidOperationException("the tests run outside of the tree");
        }

        var text = File.ReadAllText($"{root}/docs/ARCHITECTURE.md");
        var begin = text.IndexOf("## One frame", StringComparison.Ordinal);
        var end = text.IndexOf("\n## ", begin, StringComparison.Ordinal);
        return [.. Row().Matches(text[begin..end]).Select(static row => row.Groups[1].Value)];
    }

    [GeneratedRegex(@"^\| \d+ \| `([^`]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    private sealed class FreshContext : AssemblyLoadContext
    {
        protected override Assembly? Load(AssemblyName assemblyName)
        {
            var path = $"{AppContext.BaseDirectory}/{assemblyName.Name}.dll";
            return assemblyName.Name is "channel-agent" or "Google.Protobuf" || assemblyName.Name!.StartsWith("ChannelSdk.", StringComparison.Ordinal)
                ? LoadFromAssemblyPath(path)
                : null;
        }
    }
}
