using System.Diagnostics;
using System.Text;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Tests;

public class StoreTests
{
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(20);

    [Fact]
    public void Metadata_outlives_the_store_and_secrets_do_not()
    {
        using var folder = new TestFolder();
        using (var store = new FolderMetadataStore(folder.Path))
        {
            store.Put("vm1", Samples.Parse(Samples.Full));
            Assert.Equal(2, store.Merge("vm1", "hostname: vm2\n"u8).Version);
        }

        var file = File.ReadAllText(folder["vm1.json"]);
        Assert.DoesNotContain("hunter2-secret", file);
        Assert.Contains("L-PRIVATE-1", file);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder["vm1.json"]));
        using var again = new FolderMetadataStore(folder.Path);
        var found = again.Find("vm1")!;
        Assert.Equal((2L, "vm2"), (found.Version, found.Metadata.Hostname));
        Assert.False(found.Metadata.Os.Parameters["root_password"].HasValue);
        Assert.Equal(ParameterClass.Secret, found.Metadata.Os.Parameters["root_password"].Class);
    }

    [Fact]
    public async Task An_instance_may_have_a_name_as_long_as_a_hosts()
    {
        using var folder = new TestFolder();
        using var store = new FolderMetadataStore(folder.Path);
        using (var other = new FolderMetadataStore(folder.Path))
        {
            other.Put(Samples.LongestName, Samples.Parse(Samples.Small));
        }

        while (store.Find(Samples.LongestName) is null)
        {
            await store.WaitChangeAsync(Samples.LongestName, null).WaitAsync(s_soon);
        }

        Assert.Equal([Samples.LongestName], store.List());
        using var again = new FolderMetadataStore(folder.Path);
        Assert.NotNull(again.Find(Samples.LongestName));
        Assert.True(again.Remove(Samples.LongestName));
        Assert.All(Directory.GetFiles(folder.Path), file => Assert.StartsWith(".", Path.GetFileName(file)));
    }

    [Fact]
    public async Task A_change_wakes_its_own_waiters_and_no_others()
    {
        using var folder = new TestFolder();
        using var store = new FolderMetadataStore(folder.Path);
        var first = store.Put("vm1", Samples.Parse(Samples.Small));
        var own = store.WaitChangeAsync("vm1", first);
        var other = store.WaitChangeAsync("vm2", null);
        store.Merge("vm1", "hostname: b\n"u8);
        await own.WaitAsync(s_soon);
        Assert.False(other.IsCompleted);
        await store.WaitChangeAsync("vm1", first).WaitAsync(s_soon);
    }

    [Fact]
    public async Task A_change_by_another_process_is_seen_and_costs_no_secret()
    {
        using var folder = new TestFolder();
        using var store = new FolderMetadataStore(folder.Path);
        var mine = store.Put("vm1", Samples.Parse(Samples.Full));
        using (var other = new FolderMetadataStore(folder.Path))
        {
            other.Merge("vm1", "hostname: changed\n"u8);
        }

        await store.WaitChangeAsync("vm1", mine).WaitAsync(s_soon);
        var now = store.Find("vm1")!;
        Assert.Equal("changed", now.Metadata.Hostname);
        Assert.True(now.Version > mine.Version);
        Assert.Equal("hunter2-secret", now.Metadata.Os.Parameters["root_password"].Reveal());
    }

    [Fact]
    public async Task A_broken_file_is_told_and_the_last_good_metadata_stay()
    {
        using var folder = new TestFolder();
        using var store = new FolderMetadataStore(folder.Path);
        store.Put("vm1", Samples.Parse(Samples.Small));
        File.WriteAllText(folder["new"], "{\"version\": 2, \"metadata\": {\"instance_id\": 7}}");
        File.Move(folder["new"], folder["vm1.json"], overwrite: true);
        var deadline = Stopwatch.StartNew();
        while (store.Failures.Count == 0 && deadline.Elapsed < s_soon)
        {
            await Task.Yield();
        }

        Assert.Contains("instance_id", store.Failures["vm1"]);
        Assert.Equal("vm1", store.Find("vm1")!.Metadata.Hostname);
        store.Put("vm1", Samples.Parse(Samples.Small));
        Assert.Empty(store.Failures);
    }

    [Fact]
    public void Wiping_forgets_secrets_once()
    {
        using var folder = new TestFolder();
        using var store = new FolderMetadataStore(folder.Path);
        store.Put("vm1", Samples.Parse(Samples.Full));
        Assert.True(store.WipeSecrets("vm1"));
        Assert.False(store.Find("vm1")!.Metadata.HasSecrets);
        Assert.Equal("L-PRIVATE-1", store.Find("vm1")!.Metadata.Os.Parameters["license"].Reveal());
        Assert.False(store.WipeSecrets("vm1"));
        Assert.False(store.WipeSecrets("vm2"));
    }

    [Fact]
    public void Removing_leaves_nothing()
    {
        using var folder = new TestFolder();
        using var store = new FolderMetadataStore(folder.Path);
        store.Put("vm1", Samples.Parse(Samples.Small));
        Assert.True(store.Remove("vm1"));
        Assert.Null(store.Find("vm1"));
        Assert.False(store.Remove("vm1"));
        Assert.False(File.Exists(folder["vm1.json"]));
        var error = Assert.Throws<ChannelException>(() => store.Merge("vm1", "hostname: b\n"u8));
        Assert.Equal(ChannelError.NotFound, error.Code);
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("../vm1")]
    [InlineData("a/b")]
    [InlineData(".lock")]
    [InlineData("VM1")]
    public void A_name_that_could_be_another_file_is_refused(string name)
    {
        using var folder = new TestFolder();
        using var store = new FolderMetadataStore(folder.Path);
        Assert.Equal(ChannelError.BadConfiguration, Assert.Throws<ChannelException>(() => store.Put(name, Samples.Parse(Samples.Small))).Code);
        Assert.DoesNotContain(Directory.EnumerateFiles(folder.Path), f => f.EndsWith(".json", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Two_processes_that_merge_at_once_lose_no_change()
    {
        using var folder = new TestFolder();
        using var one = new FolderMetadataStore(folder.Path);
        using var two = new FolderMetadataStore(folder.Path);
        one.Put("vm1", Samples.Parse(Samples.Small));
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(() =>
            (i % 2 == 0 ? one : two).Merge("vm1", Encoding.UTF8.GetBytes($"meta: {{k{i}: v}}\n")))));
        using var third = new FolderMetadataStore(folder.Path);
        Assert.Equal(40, third.Find("vm1")!.Metadata.Meta.Count);
        Assert.Equal(41, third.Find("vm1")!.Version);
    }
}
