using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Documents;
using ChannelSdk.Metadata.Layouts;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Protocol.Errors;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.Metadata.Tests;

/// <summary>A document that is taken is one that every layout can be made of, now and after a restart.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class AcceptanceTests
{
    private static readonly string[] s_others = ["null", "true", "5", "1.5", "-1", "\"\"", "\"text\"", "[]", "[\"a\"]", "[1]", "[null]", "[{}]", "{}", "{\"a\":\"b\"}", "{\"a\":1}", "{\"a\":{\"b\":\"c\"}}"];

    [Theory]
    [InlineData("ec2: {meta_data: {placement: flat}}\n", "ec2.meta_data.placement", "a directory of the layout")]
    [InlineData("ec2: {meta_data: {instance-id: {a: b}}}\n", "ec2.meta_data.instance-id", "a leaf of the layout")]
    [InlineData("ec2: {meta_data: {ami-id: {a: b}}}\n", "ec2.meta_data.ami-id", "a leaf of the layout")]
    [InlineData("ec2: {meta_data: {instance-id: i-other}}\n", "ec2.meta_data.instance-id", "'instance_id'")]
    [InlineData("ec2: {meta_data: {placement: {availability-zone: other}}}\n", "ec2.meta_data.placement.availability-zone", "'placement.availability_zone'")]
    [InlineData("ec2: {meta_data: {public-keys: {x: y}}}\n", "ec2.meta_data.public-keys", "'public_keys'")]
    [InlineData("network: {interfaces: [{name: a, mac: 52:54:00:12:34:56}]}\nec2: {meta_data: {network: {interfaces: {macs: {52:54:00:12:34:56: {mac: x}}}}}}\n", "ec2.meta_data.network.interfaces.macs.52:54:00:12:34:56.mac", "'network.interfaces'")]
    public void An_entry_that_contradicts_the_layout_is_refused_with_its_place(string more, string place, string what)
    {
        var error = Samples.Refusal(Samples.Small + more);
        Assert.StartsWith($"metadata: {place}: ", error.Message);
        Assert.Contains(what, error.Message);
    }

    [Fact]
    public void Entries_that_add_to_the_layout_are_taken()
    {
        var data = Samples.Parse(Samples.Small + "ec2: {meta_data: {instance-life-cycle: spot, instance-id: i-1, placement: {group-name: g}, tags: {instance: {Name: x}}}}\n");
        var tree = new ResourceTree(new MetadataSnapshot("vm1", 1, data));
        Assert.Equal("spot", Encoding.UTF8.GetString(tree.Find("latest/meta-data/instance-life-cycle")!.Body));
        Assert.Equal("g", Encoding.UTF8.GetString(tree.Find("latest/meta-data/placement/group-name")!.Body));
    }

    [Fact]
    public void Any_value_of_any_other_type_anywhere_is_refused_with_its_place_or_shows_in_every_layout()
    {
        var document = DocumentText.Parse(Encoding.UTF8.GetBytes(Samples.Full));
        document["ec2"]!["meta_data"] = Everything();
        var (refused, taken) = (0, 0);
        foreach (var path in Paths(document).ToArray())
        {
            foreach (var other in s_others)
            {
                var changed = document.DeepClone();
                Replace(changed, path, JsonNode.Parse(other));
                try
                {
                    AssertShows(InstanceMetadata.Parse(JsonText.Write(changed)));
                    taken++;
                }
                catch (ChannelException e)
                {
                    Assert.Equal(ChannelError.BadConfiguration, e.Code);
                    // Its place, or that of the entry that says otherwise then.
                    Assert.True(e.Message.StartsWith($"metadata: {path[0]}", StringComparison.Ordinal) || e.Message.StartsWith("metadata: ec2.meta_data.", StringComparison.Ordinal), e.Message);
                    refused++;
                }
            }
        }

        Assert.True(refused > 1000 && taken > 100, $"{refused} refused, {taken} taken");
    }

    // Every entry that the layout has by itself, and one more at each level.
    private static JsonObject Everything() => (JsonObject)JsonNode.Parse("""
        {"ami-launch-index": "0", "instance-action": "none", "instance-id": "i-0123456789abcdef0", "placement": {"region": "eu-west-1", "x": "y"}, "mac": "52:54:00:12:34:56",
         "network": {"interfaces": {"macs": {"52:54:00:12:34:56": {"device-number": "0", "x": "y"}, "x": {"y": "z"}}}}, "x": {"y": {"z": "w"}}}
        """)!;

    private static void AssertShows(InstanceMetadata data)
    {
        var tree = new ResourceTree(new MetadataSnapshot("vm1", 1, data));
        foreach (var path in tree.Paths.Where(p => p.EndsWith(".json", StringComparison.Ordinal) || p is "nocloud/meta-data" or "latest/dynamic/instance-identity/document"))
        {
            using var json = JsonDocument.Parse(tree.Find(path)!.Body);
        }

        var file = MetadataFile.Write(new MetadataSnapshot("vm1", 1, data));
        Assert.Equal(file, MetadataFile.Write(MetadataFile.Parse("vm1", file, "vm1")));
    }

    private static IEnumerable<object[]> Paths(JsonNode node) => node switch
    {
        JsonObject map => map.ToArray().SelectMany(e => Paths(e.Value!).Prepend([]).Select(p => (object[])[e.Key, .. p])),
        JsonArray list => list.Select((item, i) => (item, i)).ToArray().SelectMany(e => Paths(e.item!).Prepend([]).Select(p => (object[])[e.i, .. p])),
        _ => [],
    };

    private static void Replace(JsonNode root, object[] path, JsonNode? value)
    {
        var parent = path[..^1].Aggregate(root, (node, step) => step is string key ? node[key]! : node[(int)step]!);
        if (path[^1] is string last)
        {
            parent[last] = value;
        }
        else
        {
            parent[(int)path[^1]] = value;
        }
    }

    [Fact]
    public void Metadata_that_no_document_could_say_are_refused_by_the_store_too()
    {
        using var folder = new TestFolder();
        using var store = new FolderMetadataStore(folder.Path);
        var small = Samples.Parse(Samples.Small);
        foreach (var bad in new[]
        {
            small with { Hostname = "a\nb" },
            small with { InstanceId = null! },
            small with { Meta = new Dictionary<string, string> { ["a"] = "\ud800" } },
            small with { Ec2 = new Ec2Model { MetaData = new JsonObject { ["placement"] = 5 } } },
            small with { UserData = Enumerable.Repeat((byte)0xff, 1 << 20).ToArray() },
        })
        {
            Assert.Equal(ChannelError.BadConfiguration, Assert.Throws<ChannelException>(() => store.Put("vm1", bad)).Code);
            Assert.Null(store.Find("vm1"));
        }
    }

    [Fact]
    public void What_is_taken_is_there_after_a_restart()
    {
        using var folder = new TestFolder();
        using (var store = new FolderMetadataStore(folder.Path))
        {
            var deep = string.Concat(Enumerable.Range(0, JsonText.MaxDepth - 3).Select(_ => "{a: ")) + "b" + new string('}', JsonText.MaxDepth - 3);
            store.Put("deep", Samples.Parse(Samples.Small + $"ec2: {{meta_data: {{x: {deep}}}}}\n"));
            var error = Assert.Throws<ChannelException>(() => store.Put("wide", Samples.Parse(Samples.Small + $"network: {{search: [{string.Concat(Enumerable.Repeat("a,", 500_000))}]}}\n")));
            Assert.Contains("its file has ", error.Message);
        }

        using var again = new FolderMetadataStore(folder.Path);
        Assert.Empty(again.Failures);
        Assert.Equal(["deep"], again.List());
    }

    [Fact]
    public async Task A_file_that_no_layout_can_be_made_of_is_told_and_leaves_the_last_good_metadata()
    {
        await using var rig = await ServerRig.StartAsync(Samples.Small);
        File.WriteAllText(rig["new"], """{"version": 9, "metadata": {"instance_id": "i-1", "hostname": "vm1", "ec2": {"meta_data": {"placement": "flat"}}}}""");
        File.Move(rig["new"], Path.Combine(rig["store"], "vm1.json"), overwrite: true);
        using var other = new FolderMetadataStore(rig["store"]);
        Assert.Contains("ec2.meta_data.placement", other.Failures["vm1"]);
        Assert.Equal("vm1", await rig.GetAsync("/latest/meta-data/hostname"));
    }

    [Fact]
    public async Task The_cause_of_a_503_is_told_to_the_host_once_a_second_and_others_are_counted()
    {
        var told = System.Threading.Channels.Channel.CreateUnbounded<MetadataFailure>();
        var time = new FakeTimeProvider();
        var store = new BrokenStore();
        await using var server = await MetadataServer.StartAsync(store, new MetadataServerOptions { Time = time, Failed = Tell });
        void Tell(MetadataFailure failure)
        {
            told.Writer.TryWrite(failure);
            throw new IOException("the log is full");
        }

        using var folder = new TestFolder();
        await using var vm1 = server.AttachInstance("vm1");
        vm1.ListenUnix(folder["s"]);
        using var http = ServerRig.ClientOf(folder["s"]);
        async Task AskAsync() => Assert.Equal(HttpStatusCode.ServiceUnavailable, (await http.GetAsync(new Uri("http://a/latest/x"))).StatusCode);
        for (var i = 0; i < 5; i++)
        {
            await AskAsync();
        }

        using var soon = new CancellationTokenSource(ServerRig.Soon);
        var first = await told.Reader.ReadAsync(soon.Token);
        Assert.Equal(("vm1", "/latest/x", "the store is broken", 0), (first.Instance, first.Path, first.Cause.Message, first.Untold));
        MetadataFailure? second = null;
        while (!told.Reader.TryRead(out second))
        {
            soon.Token.ThrowIfCancellationRequested();
            time.Advance(TimeSpan.FromSeconds(1));
            await AskAsync();
        }

        Assert.True(second.Untold >= 4);
        Assert.False(told.Reader.TryRead(out _));
    }

    private sealed class BrokenStore : IMetadataStore
    {
        public IReadOnlyList<string> List() => [];

        public MetadataSnapshot? Find(string instance) => throw new InvalidOperationException("the store is broken");

        public MetadataSnapshot Put(string instance, InstanceMetadata metadata) => throw new NotSupportedException();

        public MetadataSnapshot Merge(string instance, ReadOnlySpan<byte> patchUtf8) => throw new NotSupportedException();

        public bool WipeSecrets(string instance) => false;

        public bool Remove(string instance) => false;

        public Task WaitChangeAsync(string instance, MetadataSnapshot? known, CancellationToken cancellationToken = default) => Task.CompletedTask;

        public void Dispose()
        {
        }
    }
}
